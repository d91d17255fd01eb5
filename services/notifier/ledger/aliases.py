"""Channels that got another key: a delivery keeps the key it was handed over with, its calls go to the present one.

An alias is learned from ticketing and the router (`moved_to` of an instruction) and from Telegram's answers
(`migrate_to_chat_id`), and resolved wherever a channel is looked up: for calls, limits and pauses.
"""

from __future__ import annotations

from collections.abc import Mapping

from chassis.database import Connection
from contracts.keys import ChannelKey

# What moved here before has moved on. An alias that stays as it is isn't written: other partitions may be reading it.
MOVE_ON = "UPDATE channel_aliases SET moved_to = $2 WHERE moved_to = $1 AND channel_key <> $2"
LEARN = """
INSERT INTO channel_aliases (channel_key, moved_to) VALUES ($1, $2)
ON CONFLICT (channel_key) DO UPDATE SET moved_to = excluded.moved_to"""
KNOWN = "SELECT channel_key, moved_to FROM channel_aliases WHERE channel_key = ANY($1::text[])"


async def learn(connection: Connection, moved: Mapping[ChannelKey, ChannelKey]) -> None:
    """From now on calls for a key go to the channel that it moved to."""
    if not moved:
        return
    known = {row["channel_key"]: row["moved_to"] for row in await connection.fetch(KNOWN, list(moved))}
    for old, new in sorted(moved.items()):
        former = known.get(old, old)
        if former != new:
            await connection.execute(MOVE_ON, former, new)
            await connection.executemany(LEARN, [(key, new) for key in sorted({old, former})])
