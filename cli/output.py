"""Tables for people, JSON for programs. Nothing that a customer wrote acts on the terminal."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer
from rich.cells import cell_len, set_cell_size

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What makes a terminal do something or turns the order of a line: control characters but for line breaks and tabs,
Unicode's line and paragraph separators, and the controls of bidirectional text that reach beyond their own place.
"""
_MOVING = re.compile(f"{_ACTING.pattern}|[\t\n]")
"""What breaks a line of a table, besides."""


def say(text: str = "", *, end: str = "\n", err: bool = False, **style: Any) -> None:
    r"""Write to the terminal, in typer's styles. What would act on it is shown as it is written in code: `\x1b`."""
    typer.echo(typer.style(_ACTING.sub(_shown, text), **style) + end, nl=False, err=err)


def show_json(value: Any) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    typer.echo(_ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def show_yaml(value: Any) -> None:
    """As it can be read back: YAML writes control characters as escapes by itself."""
    import yaml

    typer.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """As wide as it has to be: no cell is cut or folded, so that ids can be copied and lines searched.

    `empty` is said instead of a table without rows.
    """
    listed = [[_MOVING.sub(_shown, "" if cell is None else str(cell)) for cell in row] for row in rows]
    if not listed:
        say(empty)
        return
    widths = [max(map(cell_len, column)) for column in zip(columns, *listed, strict=True)]
    for number, row in enumerate((columns, *listed)):
        cells = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip(), bold=number == 0)


def show_fields(fields: Mapping[str, object]) -> None:
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            say(f"{name:<{width}}  {value}")


def _shown(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
