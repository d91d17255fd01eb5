"""Every policy that was ever applied, by version. Version 0 is the built-in default and has no row."""

from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection
from contracts.desk_policy_v1 import Policy, PolicyPublished

_LATEST = "SELECT version, document::text, applied_at, applied_by FROM policies ORDER BY version DESC LIMIT 1"
_LOCK = "LOCK TABLE policies IN SHARE ROW EXCLUSIVE MODE"
_INSERT = "INSERT INTO policies (version, document, applied_at, applied_by) VALUES ($1, $2::jsonb, $3, $4)"


@dataclass(frozen=True, slots=True)
class AppliedPolicy:
    version: int
    document: Policy
    applied_at: datetime | None
    applied_by: str | None


async def current_policy(connection: Connection, *, lock: bool = False) -> AppliedPolicy:
    """With `lock`, nobody else applies one until the transaction ends."""
    if lock:
        await connection.execute(_LOCK)
    row = await connection.fetchrow(_LATEST)
    if row is None:
        return AppliedPolicy(0, Policy(), None, None)
    return AppliedPolicy(
        row["version"], Policy.model_validate_json(row["document"]), row["applied_at"], row["applied_by"]
    )


async def save_policy(connection: Connection, version: int, document: Policy, at: datetime, by: str) -> None:
    await connection.execute(_INSERT, version, document.model_dump_json(), at, by)


# --- from the log (okno restore)
_DROP_OUTDATED = """
DELETE FROM outbox WHERE topic = 'desk.policy.v1'
    AND (convert_from(payload, 'UTF8')::jsonb ->> 'version')::int < (SELECT max(version) FROM policies)"""
_RESTORE = f"{_INSERT} ON CONFLICT DO NOTHING RETURNING true"


async def restore_policy(connection: Connection, said: PolicyPublished) -> bool:
    """What `desk.policy.v1` says and isn't stored. Whether it wasn't."""
    document = said.document.model_dump_json()
    return bool(await connection.fetchval(_RESTORE, said.version, document, said.applied_at, said.applied_by))


async def drop_outdated(connection: Connection) -> None:
    """What waits to be published and is older than what was: it must not become the topic's latest word."""
    await connection.execute(_DROP_OUTDATED)
