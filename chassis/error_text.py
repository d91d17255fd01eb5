"""What may be said about an error in logs, dead letters and probes: never a piece of somebody's message.

Errors of ours say what is safe to say. Foreign errors about values (a ValueError, a pydantic ValidationError, a
PostgreSQL data error) quote the value, which may be message text, so only their kind and place is told.
"""

from __future__ import annotations

from pydantic import ValidationError

_OURS = ("chassis.", "contracts.", "services.", "cli.", "sandbox.")
_QUOTES_VALUES = (ValueError, TypeError, LookupError, AssertionError)
LONGEST = 300


def describe(error: BaseException) -> str:
    """One line: the error's type and, where it is safe, its text."""
    kind = type(error).__qualname__
    text = _text(error)
    return f"{kind}: {text}" if text else kind


def _text(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return _short("; ".join(f"{'.'.join(map(str, one['loc'])) or 'value'} {one['type']}" for one in found))
    if type(error).__module__.startswith(_OURS):
        return _short(str(error))
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str):
        # str() of a PostgreSQL error adds DETAIL, which quotes the row; class 22 quotes the value itself.
        first = "" if sqlstate.startswith("22") or not error.args else str(error.args[0])
        return _short(f"{first} (SQLSTATE {sqlstate})".strip())
    if isinstance(error, BaseExceptionGroup):
        return _short("; ".join(describe(one) for one in error.exceptions))
    if isinstance(error, _QUOTES_VALUES) and not isinstance(error, OSError):
        return ""
    return _short(str(error))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
