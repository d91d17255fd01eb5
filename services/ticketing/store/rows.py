"""Many rows in one statement: columns travel as arrays and are unnested. Statements are built once, at import."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel

SEPARATOR = "\x1f"
"""Between the elements of an array inside an array, which unnest would flatten."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column, its type, and how it is taken from a value. Type `list` is a text[] that travels as one string."""

    name: str
    type: str
    take: Callable[[T], Any]

    @property
    def sent(self) -> str:
        return "text" if self.type in {"list", "jsonb"} else self.type

    @property
    def read(self) -> str:
        match self.type:
            case "list":
                return f"string_to_array(r.{self.name}, chr(31))"
            case "jsonb":
                return f"r.{self.name}::jsonb"
            case _:
                return f"r.{self.name}"


def arrays(columns: Sequence[Column[T]], values: Iterable[T]) -> list[list[Any]]:
    """The arguments: one array a column."""
    rows = list(values)
    return [[column.take(value) for value in rows] for column in columns]


def unnested(columns: Sequence[Column[Any]], first: int = 1) -> str:
    """`unnest($1::text[], ...) AS r(id, ...)`, its parameters counted from `first`."""
    parameters = ", ".join(f"${first + i}::{column.sent}[]" for i, column in enumerate(columns))
    return f"unnest({parameters}) AS r({', '.join(column.name for column in columns)})"


def insert(table: str, columns: Sequence[Column[Any]], *, first: int = 1, after: str = "") -> str:
    names = ", ".join(column.name for column in columns)
    values = ", ".join(column.read for column in columns)
    return f"INSERT INTO {table} ({names}) SELECT {values} FROM {unnested(columns, first)} {after}"  # noqa: S608


def update(table: str, key: str, columns: Sequence[Column[Any]]) -> str:
    sets = ", ".join(f"{column.name} = {column.read}" for column in columns if column.name != key)
    return f"UPDATE {table} AS t SET {sets} FROM {unnested(columns)} WHERE t.{key} = r.{key}"  # noqa: S608


def to_json(value: Any) -> str:
    """JSON that jsonb takes: PostgreSQL refuses NUL characters there too."""
    text = orjson.dumps(value, default=_plain).decode()
    return text.replace("\\u0000", "\\ufffd") if "\\u0000" in text else text


def model_json(model: BaseModel) -> str:
    text = model.model_dump_json()
    return text.replace("\\u0000", "\\ufffd") if "\\u0000" in text else text


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} is not JSON")


def join(values: Sequence[str]) -> str:
    return SEPARATOR.join(values)
