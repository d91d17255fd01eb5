"""The desk's people and their chat identities. An identity belongs to at most one agent.

Its versions count up for ever: the latest word on `desk.staff.v1` wins also after it went from one agent to another.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from chassis.database import Connection
from contracts.desk_staff_v1 import StaffIdentity, StaffRole
from contracts.keys import PersonKey, Platform, platform_of


@dataclass(frozen=True, slots=True)
class Agent:
    id: str
    name: str
    role: StaffRole
    active: bool
    identities: tuple[PersonKey, ...]
    created_at: datetime
    updated_at: datetime

    def identity_on(self, platform: Platform) -> PersonKey | None:
        return next((key for key in self.identities if platform_of(key) is platform), None)


class IdentityTaken(Exception):
    """Chat identities that another agent has."""

    def __init__(self, taken: Sequence[tuple[str, str]]) -> None:
        self.taken = taken
        super().__init__("; ".join(f"{key} belongs to agent {agent}" for key, agent in taken))


_SELECT = """
SELECT a.*, ARRAY(
    SELECT person_key FROM agent_identities i WHERE i.agent_id = a.id AND i.active ORDER BY person_key
) AS identities
FROM agents a"""
_LIST = f"{_SELECT} WHERE a.id > $1 ORDER BY a.id LIMIT $2"
_BY_IDS = f"{_SELECT} WHERE a.id = ANY($1::text[])"
_LOCK = "SELECT FROM agents WHERE id = $1 FOR UPDATE"
_UPSERT = """
INSERT INTO agents (id, name, role, active, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (id) DO UPDATE SET name = $2, role = $3, active = $4, updated_at = $5"""
_IDENTITIES = """
SELECT person_key, agent_id, active, version FROM agent_identities
WHERE person_key = ANY($1::text[]) OR agent_id = $2 ORDER BY person_key FOR UPDATE"""
_SET_IDENTITY = """
INSERT INTO agent_identities (person_key, agent_id, active, version) VALUES ($1, $2, $3, 1)
ON CONFLICT (person_key) DO UPDATE SET agent_id = $2, active = $3, version = agent_identities.version + 1
WHERE agent_identities.agent_id = $2 OR NOT agent_identities.active
RETURNING version"""

# --- from the log (okno restore)
_RESTORE_AGENT = """
INSERT INTO agents AS a (id, name, role, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
ON CONFLICT (id) DO UPDATE SET name = $2, role = $3, updated_at = $4 WHERE a.updated_at <= $4 OR $5"""
_RESTORE_IDENTITY = """
INSERT INTO agent_identities (person_key, agent_id, active, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (person_key) DO UPDATE SET agent_id = $2, active = $3, version = $4"""
# What is stored, and whether it comes from another change of this version ($2 to $6) than the log's: seen in the
# tables, or, where the identity has changed since, in what waits to be published ($7: the log's record). Name and role
# are the agent's, and tell nothing of an identity that was given up.
_STORED = """
SELECT i.version, i.agent_id, a.name, a.updated_at, i.version = $2 AND (
    i.agent_id <> $3 OR i.active AND (a.name, a.role) <> ($4, $5)
    OR CASE WHEN $6 THEN NOT i.active ELSE i.active AND a.active END
) OR i.version >= $2 AND EXISTS (
    SELECT FROM outbox o CROSS JOIN LATERAL (SELECT convert_from(o.payload, 'UTF8')::jsonb AS said) AS waits
    WHERE o.topic = 'desk.staff.v1' AND o.key = convert_to($1, 'UTF8')
        AND (said ->> 'version')::bigint = $2 AND NOT $7::jsonb @> said
) AS forked
FROM agent_identities i JOIN agents a ON a.id = i.agent_id WHERE i.person_key = $1"""
_TAKE_BACK = "DELETE FROM outbox WHERE topic = 'desk.staff.v1' AND key = convert_to($1, 'UTF8')"
_DROP_OUTDATED = """
DELETE FROM outbox o USING agent_identities i
WHERE o.topic = 'desk.staff.v1' AND o.key = convert_to(i.person_key, 'UTF8')
    AND (convert_from(o.payload, 'UTF8')::jsonb ->> 'version')::bigint < i.version"""


async def restore_identity(connection: Connection, said: StaffIdentity) -> list[str] | None:
    """What `desk.staff.v1` says later than what is stored, or otherwise: the log wins. None where it doesn't.

    Else what of this database gave way to it, a sentence.
    """
    ours = await connection.fetchrow(
        _STORED, said.identity, said.version, said.agent_id, said.name, said.role.value, said.active,
        said.model_dump_json(exclude_none=True),
    )  # fmt: skip
    forked = ours is not None and ours["forked"]
    if ours is not None and ours["version"] >= said.version and not forked:
        return None
    dropped = []
    if ours is not None and forked:
        await connection.execute(_TAKE_BACK, said.identity)
        what = f"{ours['name']} ({ours['agent_id']}), changed at {ours['updated_at']:%Y-%m-%d %H:%M:%S}, is dropped"
        dropped.append(
            f"{said.identity} version {ours['version']}: {what}; the log's is kept: {said.name} ({said.agent_id})"
        )
    await connection.execute(_RESTORE_AGENT, said.agent_id, said.name, said.role.value, said.updated_at, forked)
    await connection.execute(_RESTORE_IDENTITY, said.identity, said.agent_id, said.active, said.version)
    return dropped


async def drop_outdated(connection: Connection) -> None:
    """What waits to be published and is older than what was: it must not become the topic's latest word."""
    await connection.execute(_DROP_OUTDATED)


async def list_agents(connection: Connection, after: str, limit: int) -> list[Agent]:
    return [_agent(row) for row in await connection.fetch(_LIST, after, limit)]


async def agents_by_id(connection: Connection, ids: Collection[str]) -> dict[str, Agent]:
    return {row["id"]: _agent(row) for row in await connection.fetch(_BY_IDS, list(ids))}


async def lock_agent(connection: Connection, agent_id: str) -> Agent | None:
    """Read after the lock: a statement that waited for it sees identities as they were before."""
    await connection.execute(_LOCK, agent_id)
    return (await agents_by_id(connection, [agent_id])).get(agent_id)


async def save_agent(
    connection: Connection,
    agent_id: str,
    name: str,
    role: StaffRole,
    identities: Collection[PersonKey],
    at: datetime,
    *,
    active: bool,
) -> list[StaffIdentity]:
    """Write the agent; returns what `desk.staff.v1` must say. Raises IdentityTaken."""
    await connection.execute(_UPSERT, agent_id, name, role.value, active, at)
    known = {row["person_key"]: row for row in await connection.fetch(_IDENTITIES, list(identities), agent_id)}
    taken = [
        (key, known[key]["agent_id"])
        for key in sorted(identities)
        if key in known and known[key]["active"] and known[key]["agent_id"] != agent_id
    ]
    if taken:
        raise IdentityTaken(taken)
    said = []
    former = {key for key, row in known.items() if row["agent_id"] == agent_id}
    for key in sorted(former | set(identities)):
        stays = active and key in identities
        if not stays and not (key in identities or known[key]["active"]):
            continue  # was given up before
        # A deactivated agent keeps its identities, so that they are there again when it is reactivated.
        kept = key in identities
        version = await connection.fetchval(_SET_IDENTITY, key, agent_id, kept)
        if version is None:  # somebody else took it this moment
            raise IdentityTaken([(key, "another one")])
        said.append(
            StaffIdentity(
                identity=PersonKey(key),
                agent_id=agent_id,
                name=name,
                role=role,
                active=stays,
                version=version,
                updated_at=at,
            )
        )
    return said


def _agent(row: asyncpg.Record) -> Agent:
    return Agent(
        id=row["id"],
        name=row["name"],
        role=StaffRole(row["role"]),
        active=row["active"],
        identities=tuple(PersonKey(key) for key in row["identities"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
