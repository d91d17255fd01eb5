"""A lease is held by whoever has its latest token, until PostgreSQL's clock says that it is over.

No lock of a session: a stopped holder must lose it. A holder that overslept finds out at its next statement.
"""

from __future__ import annotations

from chassis.database import Connection

_ACQUIRE = """
INSERT INTO leases (name, holder, token, expires_at)
VALUES ($1, $2, 1, clock_timestamp() + $3 * interval '1 second')
ON CONFLICT (name) DO UPDATE
SET holder = excluded.holder, token = leases.token + 1, expires_at = excluded.expires_at
WHERE leases.expires_at <= clock_timestamp() OR leases.holder = excluded.holder
RETURNING token"""

_RENEW = """
UPDATE leases SET expires_at = clock_timestamp() + $3 * interval '1 second'
WHERE name = $1 AND token = $2 AND expires_at > clock_timestamp()
RETURNING true"""

_RELEASE = "UPDATE leases SET expires_at = clock_timestamp() WHERE name = $1 AND token = $2"


async def acquire(connection: Connection, name: str, *, holder: str, seconds: float) -> int | None:
    """The token of a fresh lease, or None while another holds it.

    `holder` is a process's stable name: its replacement takes over at once, and the one before, if it still lives
    somewhere, has an old token.
    """
    token: int | None = await connection.fetchval(_ACQUIRE, name, holder, seconds)
    return token


async def renew(connection: Connection, name: str, token: int, *, seconds: float) -> bool:
    """False when the lease is lost."""
    return bool(await connection.fetchval(_RENEW, name, token, seconds))


async def release(connection: Connection, name: str, token: int) -> None:
    """Let the next holder in at once."""
    await connection.execute(_RELEASE, name, token)
