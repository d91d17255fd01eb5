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
_AT = "SELECT version, document::text, applied_at, applied_by FROM policies WHERE version = $1"
# All that waits to be published is older than the log's version, or of the branch that ends.
_TAKE_BACK = """
WITH unpublished AS (DELETE FROM outbox WHERE topic = 'desk.policy.v1')
DELETE FROM policies WHERE version >= $1 RETURNING version, applied_at, applied_by"""


async def restore_policy(connection: Connection, said: PolicyPublished) -> list[str] | None:
    """What `desk.policy.v1` says and isn't stored so: the log wins. None where it is.

    Else what of this database gave way to it, a sentence each.
    """
    ours = await connection.fetchrow(_AT, said.version)
    dropped: list[str] = []
    if ours is not None:
        document = Policy.model_validate_json(ours["document"])
        if (document, ours["applied_at"], ours["applied_by"]) == (said.document, said.applied_at, said.applied_by):
            return None
        rows = await connection.fetch(_TAKE_BACK, said.version)
        for row in sorted(rows, key=lambda one: int(one["version"])):
            kept = f"; the log's is kept: by {said.applied_by}" if row["version"] == said.version else ""
            what = f"by {row['applied_by']} at {row['applied_at']:%Y-%m-%d %H:%M:%S} is dropped{kept}"
            dropped.append(f"policy version {row['version']}: {what}")
    await save_policy(connection, said.version, said.document, said.applied_at, said.applied_by)
    return dropped


async def drop_outdated(connection: Connection) -> None:
    """What waits to be published and is older than what was: it must not become the topic's latest word."""
    await connection.execute(_DROP_OUTDATED)
