"""Bearer tokens: shown once when they are made, kept as a SHA-256 digest only. The first one is made by the CLI.

async with database.transaction() as connection:
    created = await create(connection, "night shift bot", scope=Scope.AGENT, agent_id="agt_...")
print(created.token)
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

import asyncpg

from chassis.database import Connection

PREFIX = "okno_"

_INSERT = "INSERT INTO tokens (id, name, digest, scope, agent_id, created_at) VALUES ($1, $2, $3, $4, $5, $6)"
_LIST = "SELECT id, name, scope, agent_id, created_at, revoked_at FROM tokens ORDER BY created_at, id"
_REVOKE = "UPDATE tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id"
_FIND = """
SELECT t.id, t.name, t.scope, t.agent_id, t.created_at, t.revoked_at, a.name AS agent_name
FROM tokens t LEFT JOIN agents a ON a.id = t.agent_id
WHERE t.digest = $1 AND t.revoked_at IS NULL AND (a.id IS NULL OR a.active)"""


class Scope(StrEnum):
    """Each includes what stands before it."""

    READ = "read"
    AGENT = "agent"
    ADMIN = "admin"

    def includes(self, other: "Scope") -> bool:
        order = list(Scope)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token. `agent_id`: whoever bears it acts as that agent."""

    id: str
    name: str
    scope: Scope
    agent_id: str | None
    created_at: datetime
    revoked_at: datetime | None
    agent_name: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedToken:
    """`token` is the secret itself: nobody can see it again."""

    id: str
    token: str


class UnknownAgent(ValueError):
    """The token was to act as an agent that there isn't."""


async def create(
    connection: Connection,
    name: str,
    *,
    scope: Scope,
    agent_id: str | None = None,
    token: str | None = None,
) -> CreatedToken:
    """Make a token, or store the given one (for a stack that hands out its own). Raises UnknownAgent."""
    token = token or PREFIX + secrets.token_urlsafe(32)
    token_id = f"tok_{secrets.token_hex(8)}"
    try:
        await connection.execute(_INSERT, token_id, name, digest(token), scope.value, agent_id, datetime.now(UTC))
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownAgent(f"there is no agent {agent_id}") from error
    return CreatedToken(token_id, token)


async def list_tokens(connection: Connection) -> list[Token]:
    return [_token(row) for row in await connection.fetch(_LIST)]


async def revoke(connection: Connection, token_id: str) -> bool:
    """False when there is no such token, or it was revoked before. It stops working at once."""
    return await connection.fetchval(_REVOKE, token_id, datetime.now(UTC)) is not None


async def find(connection: Connection, token: str) -> Token | None:
    """The living token whose secret this is."""
    row = await connection.fetchrow(_FIND, digest(token))
    return None if row is None else _token(row)


def digest(token: str) -> bytes:
    """Tokens are long and random: a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).digest()


def _token(row: asyncpg.Record) -> Token:
    values = dict(row)
    return Token(**{**values, "scope": Scope(values["scope"])})
