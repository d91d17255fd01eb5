"""A request with an Idempotency-Key has its effect once, and every repetition gets the first one's answer.

The key is claimed in the transaction of the effect: a second request with the key waits for the first one's end, and
does the work itself if that failed.
"""

from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection

_CLAIM = """
INSERT INTO idempotency_keys (token_id, key, fingerprint, created_at) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING true"""
_FIND = "SELECT fingerprint, status, response FROM idempotency_keys WHERE token_id = $1 AND key = $2"
_KEEP = "UPDATE idempotency_keys SET status = $3, response = $4 WHERE token_id = $1 AND key = $2"


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    response: bytes


class KeyReused(Exception):
    """The key was used for another request."""


async def claim(
    connection: Connection, token_id: str, key: str, fingerprint: bytes, at: datetime
) -> StoredAnswer | None:
    """None: the work is ours to do. Raises KeyReused."""
    while not await connection.fetchval(_CLAIM, token_id, key, fingerprint, at):
        row = await connection.fetchrow(_FIND, token_id, key)
        if row is None:
            continue  # removed for its age between the two statements
        if row["fingerprint"] != fingerprint:
            raise KeyReused
        return StoredAnswer(row["status"], row["response"])
    return None


async def keep(connection: Connection, token_id: str, key: str, status: int, response: bytes) -> None:
    await connection.execute(_KEEP, token_id, key, status, response)
