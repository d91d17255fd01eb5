"""What hardly changes and every decision needs: staff, policy, channel aliases. Stored here, kept in memory by number.

Each batch asks in its own transaction, with all else that it loads, whether the numbers are still the ones in memory:
a decision never rests on a policy or a desk that was replaced before its batch was loaded. A number never comes twice,
even if the transaction that wrote it is undone: what a failed batch has read is not taken for the present state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chassis.database import Connection
from chassis.records import Record
from contracts.chat_profiles_v1 import ChannelProfile
from contracts.desk_policy_v1 import Policy, PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity
from contracts.keys import ChannelKey, PersonKey
from services.router.decide.known import StaffMember
from services.router.policy import BUILT_IN, ReadyPolicy
from services.router.view.aliases import Aliases

_NUMBERS = "SELECT name, number FROM reference_versions"
_STAFF = "SELECT identity, agent_id, name FROM staff WHERE active"
_POLICY = "SELECT version, document FROM policy"
_ALIASES = "SELECT old_key, new_key FROM channel_aliases ORDER BY moved_at, old_key"

_STORE_STAFF = """
INSERT INTO staff (identity, agent_id, name, active, version)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bool[], $5::int[])
ON CONFLICT (identity) DO UPDATE SET agent_id = excluded.agent_id, name = excluded.name, active = excluded.active,
    version = excluded.version
WHERE staff.version < excluded.version"""
_DROP_STAFF = "DELETE FROM staff WHERE identity = ANY($1::text[])"
_STORE_POLICY = """
INSERT INTO policy (version, document, applied_at) VALUES ($1, $2, $3)
ON CONFLICT (singleton) DO UPDATE SET version = excluded.version, document = excluded.document,
    applied_at = excluded.applied_at
WHERE policy.version < excluded.version"""
_STORE_NAMES = """
INSERT INTO channel_names (channel_key, name, updated_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
ON CONFLICT (channel_key) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at
WHERE channel_names.updated_at <= excluded.updated_at"""
NEW_NUMBER = "greatest(number + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
_GROWN = f"UPDATE reference_versions SET number = {NEW_NUMBER} WHERE name = $1"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Reference:
    """One state of staff, policy and aliases, with the numbers that tell whether it is the present one."""

    numbers: Mapping[str, int]
    staff: Mapping[PersonKey, StaffMember]
    policy: ReadyPolicy
    aliases: Aliases


class ReferenceCache:
    """Keeps the last state read."""

    def __init__(self) -> None:
        self.kept = Reference({}, {}, BUILT_IN, Aliases())

    async def fresh(self, connection: Connection) -> Reference:
        """The present state, for who needs it before a batch is loaded."""
        numbers = {row["name"]: row["number"] for row in await connection.fetch(_NUMBERS)}
        return self.kept if numbers == self.kept.numbers else await self.read(connection, numbers)

    async def read(self, connection: Connection, numbers: Mapping[str, int]) -> Reference:
        """Read what has grown: `numbers` are the present ones."""
        kept = self.kept
        grown = {name for name, number in numbers.items() if kept.numbers.get(name) != number}
        self.kept = Reference(
            numbers,
            await _staff(connection) if "staff" in grown else kept.staff,
            await _policy(connection) if "policy" in grown else kept.policy,
            await _aliases(connection) if "aliases" in grown else kept.aliases,
        )
        return self.kept


async def _staff(connection: Connection) -> Mapping[PersonKey, StaffMember]:
    rows = await connection.fetch(_STAFF)
    return {PersonKey(row["identity"]): StaffMember(row["agent_id"], row["name"]) for row in rows}


async def _policy(connection: Connection) -> ReadyPolicy:
    row = await connection.fetchrow(_POLICY)
    return BUILT_IN if row is None else ReadyPolicy(row["version"], Policy.model_validate_json(row["document"]))


async def _aliases(connection: Connection) -> Aliases:
    rows = await connection.fetch(_ALIASES)
    return Aliases({ChannelKey(row["old_key"]): ChannelKey(row["new_key"]) for row in rows})


async def store_staff(connection: Connection, records: Sequence[Record]) -> None:
    """The highest version of an identity counts, wherever a duplicate of an older one stands.

    A tombstone makes the identity a customer's, until a record behind it.
    """
    latest: dict[str, StaffIdentity | None] = {}
    gone: list[str] = []
    for record in records:
        key = (record.key or b"").decode()
        if record.envelope is None:
            gone.append(key)
            latest[key] = None
        elif isinstance(one := record.envelope.data, StaffIdentity):
            known = latest.get(key)
            if known is None or one.version >= known.version:
                latest[key] = one
    staff = [one for one in latest.values() if one is not None]
    if gone:
        await connection.execute(_DROP_STAFF, gone)
    if staff:
        await connection.execute(
            _STORE_STAFF,
            [one.identity for one in staff],
            [one.agent_id for one in staff],
            [one.name for one in staff],
            [one.active for one in staff],
            [one.version for one in staff],
        )
    await connection.execute(_GROWN, "staff")


async def store_policy(connection: Connection, records: Sequence[Record]) -> None:
    """The highest version counts. A tombstone changes nothing: a policy is replaced, not taken away."""
    published = [
        record.envelope.data
        for record in records
        if record.envelope is not None and isinstance(record.envelope.data, PolicyPublished)
    ]
    if published:
        newest = max(published, key=lambda one: one.version)
        document = newest.document.model_dump_json(exclude_unset=True)
        await connection.execute(_STORE_POLICY, newest.version, document, newest.applied_at)
        await connection.execute(_GROWN, "policy")


async def store_names(connection: Connection, records: Sequence[Record]) -> None:
    """Channels' names, which Slack's messages don't tell and the policy's patterns may ask for. The latest counts."""
    profiles: dict[str, ChannelProfile] = {}
    for record in records:
        if record.envelope is not None and isinstance(one := record.envelope.data, ChannelProfile):
            known = profiles.get(one.channel_key)
            if known is None or one.updated_at >= known.updated_at:
                profiles[one.channel_key] = one
    if profiles:
        await connection.execute(
            _STORE_NAMES,
            list(profiles),
            [one.name for one in profiles.values()],
            [one.updated_at for one in profiles.values()],
        )
