"""One statement writes all that a batch of decisions changed. Only a channel's own partition writes its rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from chassis.database import Connection
from services.router.decide.known import EarlyChange
from services.router.view.overlay import Changed
from services.router.view.reference import NEW_NUMBER

_STORE = """
WITH stored_messages AS (
    INSERT INTO messages (message_key, conversation_id, place_key, role, ours, content, sent_at, edited_at, deleted_at,
        album)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[], $6::text[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::text[])
    ON CONFLICT (message_key) DO UPDATE SET content = excluded.content, edited_at = excluded.edited_at,
        deleted_at = excluded.deleted_at
), stored_conversations AS (
    INSERT INTO conversations (conversation_id, place_key, opening_ticket_id, started_at)
    SELECT * FROM unnest($11::text[], $12::text[], $13::text[], $14::timestamptz[])
    ON CONFLICT DO NOTHING
), stored_places AS (
    INSERT INTO places (place_key, alias_of, conversation_id)
    SELECT * FROM unnest($15::text[], $16::text[], $17::text[])
    ON CONFLICT (place_key) DO UPDATE SET alias_of = excluded.alias_of, conversation_id = excluded.conversation_id
), stored_speakers AS (
    INSERT INTO speakers (channel_key, backfilled, person_key, at, place_key)
    SELECT * FROM unnest($18::text[], $19::bool[], $20::text[], $21::timestamptz[], $22::text[])
    ON CONFLICT (channel_key, backfilled) DO UPDATE SET person_key = excluded.person_key, at = excluded.at,
        place_key = excluded.place_key
)
INSERT INTO decisions (event_id, rule, facts, policy_version, partition, "offset")
SELECT * FROM unnest($23::text[], $24::text[], $25::jsonb[], $26::int[], $27::int[], $28::bigint[])
ON CONFLICT (event_id) DO UPDATE SET rule = excluded.rule, facts = excluded.facts,
    policy_version = excluded.policy_version, partition = excluded.partition, "offset" = excluded."offset",
    decided_at = excluded.decided_at
"""

_KEEP_EARLY = """
INSERT INTO early_changes (event_id, message_key, type, event, traceparent, occurred_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::timestamptz[])
ON CONFLICT DO NOTHING"""

_DROP_EARLY = "DELETE FROM early_changes WHERE message_key = ANY($1::text[])"

_DECIDED_FROM = """SELECT event_id, partition, "offset" FROM decisions WHERE event_id = ANY($1::text[])"""

_MOVE = f"""
WITH moved AS (
    INSERT INTO channel_aliases (old_key, new_key) VALUES ($1, $2)
    ON CONFLICT (old_key) DO UPDATE SET new_key = excluded.new_key, moved_at = now()
)
UPDATE reference_versions SET number = {NEW_NUMBER} WHERE name = 'aliases'"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """That an event was decided: by which rule of which policy, from which record, on which facts."""

    event_id: str
    rule: str
    facts: dict[str, str | int | bool]
    policy_version: int
    partition: int
    offset: int


async def decided_from(connection: Connection, event_ids: Sequence[str]) -> dict[str, tuple[int, int]]:
    """Partition and offset of the records from which these events were decided, as far as that is remembered."""
    rows = await connection.fetch(_DECIDED_FROM, event_ids)
    return {row["event_id"]: (row["partition"], row["offset"]) for row in rows}


async def store(connection: Connection, changed: Changed, decided: Sequence[DecisionRecord]) -> None:
    """Write a batch. The decision records of one batch have different event ids."""
    messages = list(changed.messages.values())
    conversations = changed.conversations
    places = [
        *((key, None, conversation) for key, conversation in changed.places.items()),
        *((key, home, None) for key, home in changed.place_aliases.items() if key not in changed.places),
    ]
    speakers = changed.speakers.items()
    await connection.execute(
        _STORE,
        [one.key for one in messages],
        [one.conversation_id for one in messages],
        [one.place for one in messages],
        [one.role for one in messages],
        [one.ours for one in messages],
        [one.content for one in messages],
        [one.sent_at for one in messages],
        [one.edited_at for one in messages],
        [one.deleted_at for one in messages],
        [one.album for one in messages],
        [one.conversation_id for one in conversations],
        [one.key for one in conversations],
        [one.opening_ticket_id for one in conversations],
        [one.started_at for one in conversations],
        [key for key, _, _ in places],
        [home for _, home, _ in places],
        [conversation for _, _, conversation in places],
        [channel for (channel, _), _ in speakers],
        [backfilled for (_, backfilled), _ in speakers],
        [one.person for _, one in speakers],
        [one.at for _, one in speakers],
        [one.place for _, one in speakers],
        [one.event_id for one in decided],
        [one.rule for one in decided],
        [orjson.dumps(one.facts).decode() for one in decided],
        [one.policy_version for one in decided],
        [one.partition for one in decided],
        [one.offset for one in decided],
    )
    await _store_early(connection, changed.early, changed)
    for move in changed.moved:
        await connection.execute(_MOVE, move.old, move.channel.key)


async def _store_early(connection: Connection, early: Sequence[EarlyChange], changed: Changed) -> None:
    if changed.caught_up:
        await connection.execute(_DROP_EARLY, changed.caught_up)
    if early:
        await connection.execute(
            _KEEP_EARLY,
            [one.event.record_id for one in early],
            [one.event.message_key for one in early],
            [one.event.TYPE for one in early],
            [one.event.model_dump_json(exclude_none=True).encode() for one in early],
            [one.traceparent for one in early],
            [one.event.order for one in early],
        )
