"""What is told about an error never quotes a value that may be message text."""

from __future__ import annotations

import asyncpg
import pytest
from pydantic import BaseModel, ValidationError

from chassis.error_text import LONGEST, describe
from chassis.settings import SettingsRefused

SECRET = "my cat ate the contract"


class Message(BaseModel):
    number: int


def validation_error() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        Message.model_validate({"number": SECRET})
    return caught.value


def postgres_error(kind: type[asyncpg.PostgresError], text: str) -> asyncpg.PostgresError:
    error = kind(text)
    error.detail = f"Key (text)=({SECRET}) already exists."
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(SECRET), "ValueError"),
        (KeyError(SECRET), "KeyError"),
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), "UnicodeDecodeError"),
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: [Errno 111] Connection refused"),
        (TimeoutError(), "TimeoutError"),
        (SettingsRefused("DATABASE_URL is missing"), "SettingsRefused: DATABASE_URL is missing"),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
        (
            postgres_error(asyncpg.UniqueViolationError, 'violates unique constraint "one"'),
            'UniqueViolationError: violates unique constraint "one" (SQLSTATE 23505)',
        ),
        (
            postgres_error(asyncpg.InvalidTextRepresentationError, f'invalid input: "{SECRET}"'),
            "InvalidTextRepresentationError: (SQLSTATE 22P02)",
        ),
        (ExceptionGroup("several", [ValueError(SECRET), TimeoutError()]), "ExceptionGroup: ValueError; TimeoutError"),
    ],
)
def test_an_error_is_told_in_one_safe_line(error: Exception, told: str) -> None:
    assert describe(error) == told


def test_a_refused_model_is_told_by_field_and_rule() -> None:
    assert describe(validation_error()) == "ValidationError: number int_parsing"


def test_long_texts_are_cut() -> None:
    assert len(describe(RuntimeError("x" * 1000))) == len("RuntimeError: ") + LONGEST
