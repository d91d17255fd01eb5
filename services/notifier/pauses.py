"""Deliveries can be paused, for one channel or altogether. A call that has begun is finished; nothing new begins.

The dispatcher reads the table with every look at the ledger, at least once a second. Nothing is lost meanwhile:
instructions go on into the ledger and wait there. A paused channel stays paused under every key it gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chassis.database import Connection

EVERYTHING = "*"

PAUSE = """
INSERT INTO pauses (scope, reason, paused_by) VALUES ($1, $2, $3)
ON CONFLICT (scope) DO UPDATE SET reason = excluded.reason, paused_by = excluded.paused_by"""
RESUME = "DELETE FROM pauses WHERE scope = $1 RETURNING true"
# The keys that paused channels have now.
SCOPES = """
SELECT coalesce(m.moved_to, s.scope) AS scope FROM pauses s LEFT JOIN channel_aliases m ON m.channel_key = s.scope"""
LIST = """
SELECT p.scope, p.reason, p.paused_by, p.paused_at,
       (SELECT count(*) FROM operations o LEFT JOIN channel_aliases a ON a.channel_key = o.channel_key
         WHERE o.state IN ('queued', 'sending')
           AND (p.scope = '*' OR coalesce(a.moved_to, o.channel_key) = coalesce(m.moved_to, p.scope)))
  FROM pauses p LEFT JOIN channel_aliases m ON m.channel_key = p.scope ORDER BY p.paused_at"""


@dataclass(frozen=True, slots=True)
class Pause:
    """`scope` is a channel key or `*`; `waiting` counts the operations that it holds back."""

    scope: str
    reason: str
    paused_by: str
    paused_at: datetime
    waiting: int


async def pause(connection: Connection, scope: str, *, reason: str, by: str) -> None:
    """Hold back a channel's deliveries, or everything with `*`. Again: the new reason counts."""
    await connection.execute(PAUSE, scope, reason, by)


async def resume(connection: Connection, scope: str) -> bool:
    """Let them go on. False: that wasn't paused."""
    return bool(await connection.fetchval(RESUME, scope))


async def paused(connection: Connection) -> list[Pause]:
    """What is paused, the oldest first."""
    return [Pause(*row) for row in await connection.fetch(LIST)]
