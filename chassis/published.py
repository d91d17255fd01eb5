"""What a service has published is never ahead of its tables: if it is, the database was set back to an earlier copy.

Positions show that too, but not for changes that come from no record, such as those of an agent through the API. So
before it reads or publishes anything, a process compares the latest records of its service's topics with the tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

from aiokafka import TopicPartition

from chassis import positions
from chassis.database import Connection, Database
from chassis.kafka import make_consumer
from chassis.positions import PositionRefused, PositionsRefused, Reader
from chassis.settings import KafkaSettings
from contracts.base import RecordModel
from contracts.codec import ContractError, decode
from contracts.topics import TOPICS

PUBLISHED = "published"
"""Stands for the consumer in `positions`: below its offset a person has accepted that the tables lack records."""

TAIL = 10
"""Records looked at in each partition: the very last may be an older one that was published twice."""

READ_SECONDS = 30.0

Missing = Callable[[Connection, Sequence[Any]], Awaitable[Collection[str]]]
"""Of a topic's records, the record ids of those that the service's tables don't show."""


class PublishedAhead(PositionRefused):
    """The log holds records of this service that its database doesn't know: it was set back to an earlier copy."""


def by_version(table: str, column: str, attribute: str) -> Missing:
    """For records of things with gapless versions: those of things that aren't in `table`, or not at that version yet.

    `table` may be a query in brackets. `column` holds the thing's id, which a record has as `attribute`.
    """
    query = f"""
SELECT a.record_id FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (record_id, id, version)
WHERE NOT EXISTS (SELECT FROM {table} t WHERE t.{column} = a.id AND t.version >= a.version)"""  # noqa: S608

    async def missing(connection: Connection, records: Sequence[Any]) -> list[str]:
        ids, things = [one.record_id for one in records], [getattr(one, attribute) for one in records]
        rows = await connection.fetch(query, ids, things, [one.version for one in records])
        return [row["record_id"] for row in rows]

    return missing


async def check(database: Database, settings: KafkaSettings, topics: Mapping[str, Missing]) -> None:
    """Compare the service's topics, each with its question, with the tables. Raises PublishedAhead or PositionsRefused.

    The log is read first: what another process publishes meanwhile was committed before it was published.
    """
    tails = await _tails(settings, topics)
    reader = Reader(database.schema, PUBLISHED)
    refused: list[PositionRefused] = []
    async with database.pool.acquire() as connection:
        accepted = await positions.load(connection, PUBLISHED, list(tails))
        for tp, tail in tails.items():
            begin = accepted[tp].next_offset if tp in accepted else 0
            asked = {offset: model for offset, model in tail.items() if offset >= begin}
            missing = set(await topics[tp.topic](connection, list(asked.values()))) if asked else set()
            ahead = [offset for offset, model in asked.items() if model.record_id in missing]
            if ahead:
                what = f"offsets {ahead[0]} to {max(tail)} were published by a database that isn't this one"
                refused.append(PublishedAhead(reader, tp, what, accept=max(tail) + 1))
    if refused:
        raise refused[0] if len(refused) == 1 else PositionsRefused(refused)


async def _tails(settings: KafkaSettings, topics: Collection[str]) -> dict[TopicPartition, dict[int, RecordModel]]:
    """The latest records by offset, of partitions that have any. What breaks its contract wasn't written by us."""
    partitions = [TopicPartition(topic, number) for topic in topics for number in range(TOPICS[topic].partitions)]
    consumer = make_consumer(settings, group=None, instance=None, fetch_wait_ms=1)
    found: dict[TopicPartition, dict[int, RecordModel]] = {}
    try:
        await consumer.start()
        consumer.assign(partitions)
        consumer.pause(*partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        unread = {tp for tp in partitions if ends[tp] > starts[tp]}
        for tp in unread:
            consumer.seek(tp, max(starts[tp], ends[tp] - TAIL))
        consumer.resume(*unread)
        async with asyncio.timeout(READ_SECONDS):
            while unread:
                for tp, records in (await consumer.getmany(*unread, timeout_ms=1000)).items():
                    found.setdefault(tp, {}).update(_models(tp.topic, records))
                unread = {tp for tp in unread if await consumer.position(tp) < ends[tp]}
    finally:
        await consumer.stop()
    return {tp: models for tp, models in found.items() if models}


def _models(topic: str, records: Sequence[Any]) -> dict[int, RecordModel]:
    models: dict[int, RecordModel] = {}
    for record in records:
        try:
            models[record.offset] = decode(topic, record.headers, record.value).data
        except ContractError:
            continue
    return models
