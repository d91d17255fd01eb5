"""The type of an error decides its fate: retried, dead-lettered, or the end of the process. Nothing is swallowed.

Services raise `Transient`, `Poison` or `DataError`; foreign exceptions are narrowed here, once, by `fate_of`.
"""

from __future__ import annotations

import enum

import asyncpg
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from contracts.codec import ContractError


class Transient(Exception):
    """Time heals it: retried with growing pauses, for a bounded time; then the process ends and is restarted."""


class Poison(Exception):
    """A record that can't be processed. Retried a few times across restarts, then dead-lettered.

    `cause` is a short code for metrics and the dead letter, `message` is for a person and holds no message text.
    """

    def __init__(self, cause: str, message: str = "") -> None:
        super().__init__(message or cause)
        self.cause = cause


class DataError(Poison):
    """The record's own data are impossible: no retry can help, it is dead-lettered at once."""


class Fatal(Exception):
    """Going on would lose or repeat something: the process stops with this message and a person decides."""


class Fate(enum.Enum):
    """What becomes of a failed batch."""

    TRANSIENT = "transient"
    POISON = "poison"
    DATA = "data"
    FATAL = "fatal"


_TRANSIENT_CLASSES = {
    "08",  # connection exceptions
    "40",  # serialization failure, deadlock
    "53",  # too many connections, out of memory, disk full
    "57",  # shutdown, statement timeout, crash recovery
    "58",  # system error
}
_TRANSIENT_STATES = {
    "25P03",  # idle_in_transaction_session_timeout ended the session, for instance while this process was stopped
    "25006",  # read-only: connected to a standby during a fail-over
    "55P03",  # lock_timeout
    "55006",  # object in use
}


def fate_of(error: BaseException) -> Fate:
    """How a failure while handling records is treated. What nobody knows is poison: it may be the record's fault."""
    match error:
        case Fatal() | MemoryError():
            return Fate.FATAL
        case Transient():
            return Fate.TRANSIENT
        case DataError() | ContractError() | MessageSizeTooLargeError():
            return Fate.DATA
        case Poison():
            return Fate.POISON
        case asyncpg.PostgresError():
            return _fate_of_sqlstate(error.sqlstate or "")
        case asyncpg.InterfaceError():
            # A connection that is gone shows as an InterfaceError when it is used again ("connection is closed").
            text = str(error)
            return Fate.TRANSIENT if "connection" in text or "pool" in text else Fate.POISON
        case KafkaError():
            return Fate.TRANSIENT if error.retriable else Fate.FATAL
        case TimeoutError() | ConnectionError() | OSError() | asyncpg.InternalClientError():
            return Fate.TRANSIENT
        case _:
            return Fate.POISON


def _fate_of_sqlstate(state: str) -> Fate:
    if state[:2] in _TRANSIENT_CLASSES or state in _TRANSIENT_STATES:
        return Fate.TRANSIENT
    # Class 22: a NUL character, a number out of range, not JSON: what PostgreSQL can't store today it can't tomorrow.
    return Fate.DATA if state[:2] == "22" else Fate.POISON


def cause_of(error: BaseException) -> str:
    """A short stable code: the cause a service gave, PostgreSQL's SQLSTATE, or the exception's name."""
    match error:
        case Poison():
            return error.cause
        case ContractError():
            return error.code
        case asyncpg.PostgresError():
            return f"sql_{error.sqlstate}"
        case _:
            return type(error).__name__
