"""Collects the facts of a campaign when nothing is under way any more: its log, the database, the topics, the chats."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import asyncpg
import orjson

from chaos import written
from chaos.facts import (
    Change,
    Command,
    DeadLetter,
    Ended,
    Event,
    Facts,
    Leased,
    Message,
    Operation,
    Outcome,
    Post,
    SetBack,
    Ticket,
    Trouble,
)
from chaos.hands import Hands
from chaos.records import read
from chaos.search import Search, secrets_of
from chaos.town import Settled
from chaos.watch import LEASED, SET_BACK
from contracts import keys
from sandbox.stack.info import StackInfo
from sandbox.stack.inside.backlog import positions
from sandbox.stack.inside.log import Log

Json = dict[str, Any]
TOGETHER = 16
_ENDINGS = ("acknowledged", "failed", "unknown")
_MESSAGES = """
SELECT id, ticket_id, kind, text, deleted_at IS NOT NULL AS deleted, context, conversation_id, delivery_state,
    delivery_operation_state, delivery_error_code, coalesce(delivery_keys, '{}') AS keys
FROM ticketing.messages"""
_TICKETS = """
SELECT t.id, t.version, t.revision,
    (SELECT coalesce(array_agg(h.version ORDER BY h.version), '{}') FROM ticketing.history h WHERE h.ticket_id = t.id)
    AS history
FROM ticketing.tickets t"""
_DEAD = "SELECT consumer, topic, partition, record_offset, cause FROM ticketing.dead_letters"


async def gather(
    seed: int, info: StackInfo, settled: Settled, hands: Hands, log: Log, path: Path, spans: Path, under_way: str | None
) -> Facts:
    """Everything; `path` is the campaign's log, `spans` what its collector took, `under_way` what did not come to its
    end.
    """
    lines = read(path)
    records = {topic: await log.since({}, topic) for topic in written.TOPIC_NAMES}
    search = Search(secrets_of(info))
    written.files(search, Path(info.state) / "logs", spans)
    written.seen(search, lines)
    written.topics(search, records)
    await written.metrics(search, info)
    connection = await asyncpg.connect(info.postgres.dsn, timeout=10)
    try:
        reactions = await _reactions(connection)
        messages = [_message(row, reactions) for row in await connection.fetch(_MESSAGES)]
        tickets = [
            Ticket(row["id"], row["version"], row["revision"], tuple(row["history"]))
            for row in await connection.fetch(_TICKETS)
        ]
        decisions = [row["event_id"] for row in await connection.fetch("SELECT event_id FROM router.decisions")]
        dead = [DeadLetter(*row) for row in await connection.fetch(_DEAD)]
        set_back = [SetBack(*row) for row in await connection.fetch(SET_BACK)]
        await written.tables(search, connection)
        leased = [Leased(*row) for row in await connection.fetch(LEASED)]
        stored = {
            (consumer, tp.topic, tp.partition): offset
            for (_, consumer, tp), offset in (await positions(connection)).items()
        }
    finally:
        await connection.close()
    posts = await _posts(settled, hands, info)
    ends = {(tp.topic, tp.partition): end for tp, end in (await log.ends()).items()}
    return Facts(
        seed=seed,
        operations=operations(lines),
        events=[event for record in records["chat.events.v1"] for event in _event(record)],
        decisions=decisions,
        commands=[command for record in records["ticket.commands.v1"] for command in _command(record)],
        changes=[change for record in records["ticket.events.v1"] for change in _change(record)],
        tickets=tickets,
        messages=messages,
        posts=posts,
        dead_letters=dead,
        poison=frozenset(
            (line["topic"], partition, offset)
            for line in lines
            if line["what"] == "poison"
            for partition, offset in line["offsets"]
        ),
        maybe_poisoned=frozenset(line["topic"] for line in lines if line["what"] == "poison unknown"),
        given_up=await _given_up(hands),
        set_back=set_back,
        leased=leased,
        positions=stored,
        ends=ends,
        troubles=troubles(lines),
        ended=[Ended(line["process"], line["at"], line["said"]) for line in lines if line["what"] == "ended by itself"],
        told=search.told,
        searched=search.searched,
        under_way=under_way,
    )


# --- the log --------------------------------------------------------------------------------------------------------


def operations(lines: Iterable[Json]) -> list[Operation]:
    """One for each act that was asked; without an end its outcome is unknown, with several the best counts."""
    asked: dict[int, Json] = {}
    ended: dict[int, list[Json]] = defaultdict(list)
    for line in lines:
        if line["what"] == "asked":
            asked[line["act"]] = line
        elif line["what"] in _ENDINGS:
            ended[line["act"]].append(line)
    return [_operation(line, ended[act]) for act, line in asked.items()]


def _operation(asked: Json, ended: Sequence[Json]) -> Operation:
    outcomes = {line["what"] for line in ended} or {"unknown"}
    outcome = next(one for one in ("acknowledged", "unknown", "failed") if one in outcomes)
    seen = asked.get("seen") or {}
    replies = {line["reply"] for line in (*ended, asked) if line.get("reply")}
    return Operation(
        act=asked["act"],
        kind=asked["kind"],
        outcome=cast("Outcome", outcome),
        channel=asked["channel"],
        text=asked["text"],
        message=asked.get("message") or next((line["message"] for line in ended if line.get("message")), None),
        person=asked.get("person", ""),
        name=asked.get("name", ""),
        thread=asked.get("thread"),
        ticket=asked.get("ticket", ""),
        replies=tuple(sorted(replies)),
        tag=asked.get("tag", ""),
        seen_tags=tuple(seen.get("tags", ())),
        seen_revision=seen.get("revision", 0),
        asked_at=asked["at"],
        ended_at=max((line["at"] for line in ended), default=0.0),
    )


def troubles(lines: Iterable[Json]) -> list[Trouble]:
    return [
        Trouble(tuple(line["faults"]), line["began"], line["ended"], line["seconds"])
        for line in lines
        if line["what"] == "recovered"
    ]


# --- the topics: what can't be read is poison, and its readers are asked for it ---------------------------------------


def _value(record: Any) -> Json:
    named = dict(record.headers)
    try:
        value = orjson.loads(record.value)
    except (orjson.JSONDecodeError, TypeError):
        return {}
    if not isinstance(value, dict) or "ce_id" not in named or named.get("ce_source") == b"chaos":
        return {}
    return {**value, "_id": named["ce_id"].decode(), "_type": named["ce_type"].decode()}


def _event(record: Any) -> Iterable[Event]:
    if value := _value(record):
        author = value.get("author") or value.get("person") or {}
        yield Event(
            value["_id"], value["_type"], value["channel"]["key"], record.partition, record.offset,
            value.get("message_key", ""), value.get("text", ""), bool(author.get("is_self")),
        )  # fmt: skip


def _command(record: Any) -> Iterable[Command]:
    if value := _value(record):
        decided = (value["decided"]["partition"], value["decided"]["offset"])
        yield Command(value["command_id"], value["event_id"], decided, record.partition, record.offset)


def _change(record: Any) -> Iterable[Change]:
    if value := _value(record):
        tags = value.get("changes", {}).get("tags")
        message = value.get("message") or {}
        both = None if tags is None else (tuple(tags.get("old") or ()), tuple(tags.get("new") or ()))
        yield Change(
            value["ticket_id"], value["version"], value["kind"], message.get("id"), value["cause"]["id"], both,
            record.timestamp / 1000,
        )  # fmt: skip


# --- the database ---------------------------------------------------------------------------------------------------


async def _reactions(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in await connection.fetch("SELECT message_id, person_key, name FROM ticketing.reactions WHERE added"):
        found[row["message_id"]].add((row["person_key"], row["name"]))
    return found


def _message(row: asyncpg.Record, reactions: dict[str, set[tuple[str, str]]]) -> Message:
    return Message(
        id=row["id"],
        ticket=row["ticket_id"],
        kind=row["kind"],
        text=row["text"],
        deleted=row["deleted"],
        context=row["context"],
        conversation=row["conversation_id"],
        state=row["delivery_state"],
        operation_state=row["delivery_operation_state"],
        code=row["delivery_error_code"],
        keys=tuple(row["keys"]),
        reactions=frozenset(reactions.get(row["id"], ())),
    )


# --- the platforms --------------------------------------------------------------------------------------------------


async def _posts(settled: Settled, hands: Hands, info: StackInfo) -> list[Post]:
    slots = asyncio.Semaphore(TOGETHER)

    async def chat(number: int) -> list[Post]:
        channel, key = settled.channels[number], settled.channel_key(number)
        async with slots:
            if settled.town.is_slack(number):
                listed = (await hands.slack("GET", f"/channels/{channel}/messages")).body["messages"]
                ours = info.slack.bot_user_id
                return [
                    Post(key, keys.message_key(key, one["ts"]), one["plain"], one["user"] == ours, bool(one["deleted"]))
                    for one in listed
                ]
            path = f"/chats/{channel}/messages?include_deleted=1"
            listed = (await hands.telegram("GET", path)).body.get("messages", [])
            return [
                Post(key, keys.message_key(key, one["message_id"]), one["text"] or "", one["from"]["is_bot"],
                     bool(one["deleted"]))
                for one in listed
            ]  # fmt: skip

    chats = await asyncio.gather(*map(chat, range(len(settled.channels))))
    return [post for listed in chats for post in listed]


async def _given_up(hands: Hands) -> frozenset[str]:
    listed = (await hands.slack("GET", "/deliveries?limit=20000")).body["deliveries"]
    return frozenset(
        keys.message_key(keys.slack_channel(one["channel"]), one["message_ts"])
        for one in listed
        if one["state"] in {"failed", "lost"} and one["message_ts"]
    )
