"""Brings the notifier's ledger forward from Kafka after its database was set back, in one transaction.

`chat.receipts` are folded to their end, and the instructions that the ledger doesn't have are taken in; none is
carried out by that. A post without a receipt that ends it was possibly sent, whether the ledger had it or not: it is
never posted blindly. A Slack post is read back by its metadata, a Telegram post becomes `unknown`. What was put aside
since had no effect and gets none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiokafka import TopicPartition

from chassis import parking, positions, restoring
from chassis.database import Connection
from chassis.published import PUBLISHED
from chassis.records import Raw
from chassis.restoring import LogReader, Place, Recovery, Tell
from contracts.base import RecordModel
from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryState
from contracts.chat_replies_v1 import ReplyInstruction
from contracts.codec import ContractError, Envelope, decode
from contracts.keys import ChannelKey
from services.notifier.handle import CLAIM, NOW
from services.notifier.ledger import aliases, forgotten, store
from services.notifier.ledger.entry import Entry
from services.notifier.ledger.restoring import Fate, Told, instructed, settled

SCHEMA = "notifier"
CONSUMER = "notifier"
REPLIES, RECEIPTS = "chat.replies.v1", "chat.receipts.v1"
PORTION = 1000
NOT_CARRIED = (
    "in no topic: pauses made since (pause again before you start the notifier) and ended since (resume again)",
    "in no topic: receipts that were committed and not yet published; what they told is found out again or `unknown`",
)

_KNOWN = f"""
SELECT d.delivery_id, d.version, o.state,
       ARRAY(SELECT p.part FROM parts p WHERE p.delivery_id = d.delivery_id AND p.message_key IS NULL) AS unseen
  FROM {forgotten.VERSIONS} d
  LEFT JOIN operations o ON o.delivery_id = d.delivery_id AND o.kind = 'post'
 WHERE d.delivery_id = ANY($1::text[])"""  # noqa: S608 - put together from constants of the code
_ACTIVE = "SELECT delivery_id FROM operations WHERE kind = 'post' AND state IN ('queued', 'sending')"
_TO_COME = """
SELECT state, count(*) AS posts FROM operations WHERE kind = 'post' AND state IN ('queued', 'sending') GROUP BY state"""
_FORGET_PARTS = "DELETE FROM parts WHERE delivery_id = ANY($1::text[])"
_ADD_PARTS = """
INSERT INTO parts (delivery_id, part, message_key, revision)
SELECT * FROM unnest($1::text[], $2::int[], $3::text[], $4::int[])"""
# As a sender leaves it that died with the request out, its lease over.
_DOUBT = """
UPDATE operations o
   SET lease_token = gen_random_uuid(), posting = true, due_at = clock_timestamp(), ended_at = NULL,
       sending_revision = n.shown, first_sent_at = least(o.first_sent_at, n.requested_at)
  FROM unnest($1::text[], $2::int[], $3::timestamptz[]) AS n (delivery_id, shown, requested_at)
 WHERE o.delivery_id = n.delivery_id AND o.kind = 'post' AND o.state = 'sending'"""
_PROGRESS = """
UPDATE operations o SET attempts = n.attempts, parts_left = n.parts_left
  FROM unnest($1::text[], $2::int[], $3::int[]) AS n (delivery_id, attempts, parts_left)
 WHERE o.delivery_id = n.delivery_id AND o.kind = 'post'"""


@dataclass(slots=True)
class _Log:
    """What the log says that the ledger doesn't."""

    fates: dict[str, Fate] = field(default_factory=dict)
    given: list[tuple[int, Envelope[RecordModel], ReplyInstruction]] = field(default_factory=list)
    """Instructions with their partitions, in order."""


async def restore(dsn: str, log: LogReader, tell: Tell) -> Recovery:
    """Raises RestoreRefused, and errors of Kafka and PostgreSQL; then nothing was changed."""
    async with restoring.transaction(dsn, SCHEMA) as connection:
        found = await restoring.places(connection, SCHEMA, CONSUMER, await log.logs([REPLIES], group=CONSUMER))
        told = _Log()
        await _fold_receipts(connection, log, told, tell)
        behind = any(place.behind for place in found.values())
        if not behind and not told.fates:
            recovery = Recovery(["nothing was missing: no receipt is newer than the ledger"])
            recovery.to_come += await _to_come(connection, found)
            return recovery
        await _read_instructions(connection, log, found, told, tell)
        recovery = await _write(connection, told, tell)
        await restoring.settle(connection, CONSUMER, found, {tp: place.log.end for tp, place in found.items()})
        for tp, one in (await log.logs([RECEIPTS])).items():  # all of them are in the ledger now
            await positions.accept(
                connection, PUBLISHED, tp, next_offset=one.end, cluster_id=one.cluster_id, group_offset=None
            )
        recovery.recovered += await restoring.held_up(connection, CONSUMER)
    recovery.lost += [*restoring.expired(CONSUMER, found), *NOT_CARRIED]
    return recovery


async def _to_come(connection: Connection, found: dict[TopicPartition, Place]) -> list[str]:
    """What the ledger and the log let the notifier send once it starts, where nothing says that it was sent."""
    counts = {row["state"]: row["posts"] for row in await connection.fetch(_TO_COME)}
    unread = sum(place.log.end - place.begin for place in found.values())
    said = (
        (
            counts.get(DeliveryState.QUEUED, 0),
            "queued posts go out when the notifier starts: cancel or pause before, if not wanted",
        ),
        (
            counts.get(DeliveryState.SENDING, 0),
            "posts were being sent: Slack's are read back, Telegram's become unknown",
        ),
        (unread, f"records of {REPLIES} that the ledger hasn't read are taken in then"),
    )
    return [f"{number} {what}" for number, what in said if number] or ["no post waits"]


async def _fold_receipts(connection: Connection, log: LogReader, told: _Log, tell: Tell) -> None:
    logs = await log.logs([RECEIPTS])
    read = 0
    async for raws in log.read({tp: (one.start, one.end) for tp, one in logs.items()}):
        receipts = [one.data for one in filter(None, map(_decoded, raws)) if isinstance(one.data, DeliveryChanged)]
        new = {one.delivery_id for one in receipts} - told.fates.keys()
        rows = await connection.fetch(_KNOWN, list(new))
        known = {row["delivery_id"]: _known(row) for row in rows}
        for receipt in receipts:
            fate = told.fates.get(receipt.delivery_id) or known.setdefault(receipt.delivery_id, Fate(0))
            if receipt.version > fate.version:
                fate.fold(receipt)
                told.fates[receipt.delivery_id] = fate
        read += len(raws)
        tell(f"notifier: {read} receipts read, {len(told.fates)} deliveries went on since")


def _known(row: Any) -> Fate:
    state = row["state"]
    return Fate(row["version"], state and DeliveryState(state), frozenset(row["unseen"]))


async def _read_instructions(
    connection: Connection, log: LogReader, found: dict[TopicPartition, Place], told: _Log, tell: Tell
) -> None:
    moved: dict[ChannelKey, ChannelKey] = {}
    aside = await restoring.letters_since(log, CONSUMER, found)
    for letters in aside.values():
        await parking.put_back(connection, CONSUMER, letters.values())
    async for raws in log.read({tp: (place.begin, place.log.end) for tp, place in found.items()}):
        await parking.release_told(connection, CONSUMER, raws)
        letters = aside[TopicPartition(raws[0].topic, raws[0].partition)]
        given = [
            (raw.partition, one, one.data)
            for raw in raws
            if raw.offset not in letters
            and (one := _decoded(raw)) is not None
            and isinstance(one.data, ReplyInstruction)
        ]
        rows = await connection.fetch(CLAIM, sorted({data.instruction_id for _, _, data in given}))
        fresh = {row["instruction_id"] for row in rows}
        for partition, envelope, data in given:
            if data.instruction_id in fresh:
                fresh.discard(data.instruction_id)
                told.given.append((partition, envelope, data))
                if data.moved_to is not None:
                    moved[data.channel_key] = data.moved_to
        tell(f"notifier: {len(told.given)} instructions read")
    await aliases.learn(connection, moved)


async def _write(connection: Connection, told: _Log, tell: Tell) -> Recovery:
    """Delivery by delivery, in portions; a conversation keeps the order of its instructions."""
    at: datetime = await connection.fetchval(NOW)
    per_delivery: dict[str, list[tuple[int, int, Envelope[RecordModel], ReplyInstruction]]] = {}
    for number, (partition, envelope, data) in enumerate(told.given):
        per_delivery.setdefault(data.delivery_id, []).append((number, partition, envelope, data))
    active = [row["delivery_id"] for row in await connection.fetch(_ACTIVE)]
    concerned = list(dict.fromkeys([*active, *per_delivery, *told.fates]))
    later = at + timedelta(microseconds=len(told.given))
    doubts = written = 0
    orphans: list[str] = []
    for begin in range(0, len(concerned), PORTION):
        portion = concerned[begin : begin + PORTION]
        entries: dict[str, Entry] = await store.lock(connection, portion)
        shown: dict[str, int] = {}
        for delivery_id in portion:
            said, entry = Told(), entries.get(delivery_id)
            for number, partition, envelope, data in per_delivery.get(delivery_id, ()):
                entry = instructed(
                    entry, said, data,
                    partition=partition, traceparent=envelope.traceparent, at=at + timedelta(microseconds=number),
                )  # fmt: skip
            if entry is None:
                orphans.append(delivery_id)
                continue
            entries[delivery_id] = entry
            shown[delivery_id] = settled(entry, said, told.fates.get(delivery_id) or Fate(entry.version), later)
        await _store(connection, list(entries.values()), shown)
        doubts += sum(one.post.state is DeliveryState.SENDING for one in entries.values())
        written += len(entries)
        tell(f"notifier: {written} of {len(concerned)} deliveries")
    await forgotten.keep(connection, {one: told.fates[one].version for one in orphans if one in told.fates})
    recovery = Recovery(
        [
            f"{written} deliveries, {len(told.given)} instructions",
            f"{doubts} posts were possibly sent: Slack's are read back, Telegram's become unknown (a person decides)",
        ]
    )
    if orphans:
        recovery.lost.append(f"{len(orphans)} deliveries whose instruction is past retention: they can't be changed")
    return recovery


async def _store(connection: Connection, entries: Sequence[Entry], shown: dict[str, int]) -> None:
    await store.write(connection, entries)
    await connection.execute(_FORGET_PARTS, [one.delivery_id for one in entries])
    parts = [(one.delivery_id, n, part.key, part.revision) for one in entries for n, part in one.parts.items()]
    if parts:
        await connection.execute(_ADD_PARTS, *(list(column) for column in zip(*parts, strict=True)))
    await connection.execute(
        _PROGRESS,
        [one.delivery_id for one in entries],
        [one.post.attempts for one in entries],
        [one.post.parts_left for one in entries],
    )
    doubtful = [one for one in entries if one.post.state is DeliveryState.SENDING]
    await connection.execute(
        _DOUBT,
        [one.delivery_id for one in doubtful],
        [shown.get(one.delivery_id, one.revision) for one in doubtful],
        [one.requested_at for one in doubtful],
    )


def _decoded(raw: Raw) -> Envelope[RecordModel] | None:
    try:
        return decode(raw.topic, raw.headers, raw.value)
    except ContractError:
        return None
