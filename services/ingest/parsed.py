"""What a parser makes of a payload. Parsers are pure: no clock, no network; the same payload gives the same records."""

from dataclasses import dataclass
from typing import Any

from contracts.base import RecordModel


class NotYet(Exception):
    """A payload can't be read rightly before something else is known: the platform has to send it again."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """Records to publish in order, or none. `kind` names the payload for the counters, `known` says whether we know it.

    A known kind without records carries nothing for us (a channel join, an unfurl).
    """

    kind: str
    records: tuple[RecordModel, ...] = ()
    known: bool = True


def clean(text: str) -> str:
    """NUL can't be stored in PostgreSQL, half a surrogate pair can't be encoded; everything else of a text is kept."""
    text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def storable(payload: Any) -> Any:
    """A payload's JSON with every string of it `clean`: file names, locales and ids too, not only texts.

    Raises RecursionError where it is nested deeper than Python goes.
    """
    if isinstance(payload, str):
        return clean(payload)
    if isinstance(payload, dict):
        return {clean(name): storable(value) for name, value in payload.items()}
    if isinstance(payload, list):
        return [storable(value) for value in payload]
    return payload
