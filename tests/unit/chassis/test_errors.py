import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from chassis.errors import DataError, Fatal, Fate, Poison, Transient, cause_of, fate_of
from contracts.codec import ContractError


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (Transient("later"), Fate.TRANSIENT),
        (Poison("strange"), Fate.POISON),
        (DataError("impossible"), Fate.DATA),
        (Fatal("stop"), Fate.FATAL),
        (ContractError("bad_value", "no"), Fate.DATA),
        (asyncpg.DeadlockDetectedError("x"), Fate.TRANSIENT),
        (asyncpg.SerializationError("x"), Fate.TRANSIENT),
        (asyncpg.LockNotAvailableError("x"), Fate.TRANSIENT),
        (asyncpg.QueryCanceledError("x"), Fate.TRANSIENT),
        (asyncpg.AdminShutdownError("x"), Fate.TRANSIENT),
        (asyncpg.CannotConnectNowError("x"), Fate.TRANSIENT),
        (asyncpg.TooManyConnectionsError("x"), Fate.TRANSIENT),
        (asyncpg.DiskFullError("x"), Fate.TRANSIENT),
        (asyncpg.IdleInTransactionSessionTimeoutError("x"), Fate.TRANSIENT),
        (asyncpg.ReadOnlySQLTransactionError("x"), Fate.TRANSIENT),
        (asyncpg.ConnectionDoesNotExistError("x"), Fate.TRANSIENT),
        (asyncpg.InterfaceError("cannot perform operation: connection is closed"), Fate.TRANSIENT),
        (asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"), Fate.POISON),
        (asyncpg.CharacterNotInRepertoireError("NUL"), Fate.DATA),
        (asyncpg.NumericValueOutOfRangeError("x"), Fate.DATA),
        (asyncpg.DataError("invalid input for query argument $1"), Fate.DATA),
        (asyncpg.UniqueViolationError("x"), Fate.POISON),
        (asyncpg.UndefinedTableError("x"), Fate.POISON),
        (KafkaConnectionError("x"), Fate.TRANSIENT),
        (TopicAuthorizationFailedError("x"), Fate.FATAL),
        (MessageSizeTooLargeError("x"), Fate.DATA),
        (ConnectionRefusedError("x"), Fate.TRANSIENT),
        (TimeoutError(), Fate.TRANSIENT),
        (MemoryError(), Fate.FATAL),
        (KeyError("x"), Fate.POISON),
        (ValueError("x"), Fate.POISON),
    ],
)
def test_the_type_of_an_error_decides_its_fate(error: Exception, fate: Fate) -> None:
    assert fate_of(error) is fate


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Poison("no_such_ticket", "ticket 7"), "no_such_ticket"),
        (ContractError("bad_value", "no"), "bad_value"),
        (asyncpg.UniqueViolationError("x"), "sql_23505"),
        (KeyError("secret text"), "KeyError"),
    ],
)
def test_a_cause_is_a_short_code_without_data(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause
