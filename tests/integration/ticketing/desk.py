"""A small desk for tests: customers write (commands are applied as the worker does), agents use the API."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from chassis.clock import ManualClock
from chassis.consumer import Record
from chassis.database import Connection, Database
from chassis.outbox import unpack_headers
from contracts import ids
from contracts.base import RecordModel
from contracts.chat import Author, Channel, ChannelType, Decided, Place
from contracts.codec import Envelope, decode, encode
from contracts.keys import (
    ChannelKey,
    MessageKey,
    PersonKey,
    Platform,
    message_key,
    place_key,
    slack_channel,
    slack_person,
    telegram_channel,
    telegram_person,
)
from contracts.ticket_commands_v1 import ChatMessage, OpenTicket, PlaceMessage, Role
from services.ticketing.worker import Applier

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
STUDENT = Author(key=slack_person("U1"), name="Mia")
DECIDED = Decided(partition=0, offset=0, rule="test", policy_version=0)
HOURS_72 = 72 * 3600.0
PATIENCE = 30.0
_numbers = itertools.count(1)


def slack_place(channel: str = "C1", thread: str = "1716300000.000100") -> Place:
    key = slack_channel(channel)
    said = Channel(key=key, platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC, name="course-1")
    return Place(key=place_key(key, thread), channel=said, thread=thread)


def telegram_place(chat: int = 4711) -> Place:
    key = telegram_channel(7700, chat)
    said = Channel(key=key, platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.DIALOG)
    return Place(key=place_key(key, None), channel=said)


def slack_ts(at: datetime) -> str:
    return f"{int(at.timestamp())}.{at.microsecond:06d}"


def key_at(place: Place, at: datetime) -> MessageKey:
    """A message key of that time in the place's channel."""
    number = slack_ts(at) if place.channel.platform is Platform.SLACK else str(next(_numbers))
    return message_key(place.channel.key, number)


def common(event_id: str, channel: ChannelKey) -> dict[str, Any]:
    return {
        "command_id": ids.command(event_id, 0),
        "event_id": event_id,
        "decided": DECIDED,
        "received_at": NOW,
        "channel_key": channel,
    }


def place_message(
    place: Place,
    text: str = "Help!",
    *,
    at: datetime = NOW,
    key: MessageKey | None = None,
    author: Author = STUDENT,
    role: Role = Role.CUSTOMER,
    agent_id: str | None = None,
    opens: bool | None = None,
    reopen_within: float = HOURS_72,
    context: bool = False,
    **message: Any,
) -> PlaceMessage:
    """By default a customer's message, which opens a ticket where none is."""
    key = key or key_at(place, at)
    opens = role is Role.CUSTOMER if opens is None else opens
    return PlaceMessage(
        **common(key, place.channel.key),
        message=ChatMessage(
            message_key=key,
            author=author,
            role=role,
            text=text,
            sent_at=at,
            agent_id=agent_id,
            thread=place.thread,
            context=context,
            **message,
        ),
        place=place,
        open=OpenTicket(
            ticket_id=ids.ticket(place.key, key),
            conversation_id=ids.conversation(place.key, key),
            reopen_within=reopen_within,
            queue="support",
            priority="normal",
        )
        if opens
        else None,
    )


def record_of(model: RecordModel, *, traceparent: str | None = TRACEPARENT, offset: int = 0) -> Record:
    encoded = encode(model, source="test", time=NOW, traceparent=traceparent)
    envelope: Envelope[RecordModel] = decode(encoded.topic, encoded.headers, encoded.value)
    return Record(encoded.topic, 0, offset, 0, encoded.key, encoded.value, encoded.headers, envelope)


@dataclass
class Desk:
    """`http` carries an admin token."""

    database: Database
    clock: ManualClock
    http: httpx.AsyncClient
    applier: Applier = field(init=False)

    def __post_init__(self) -> None:
        self.applier = Applier(self.clock)

    async def apply(self, *models: RecordModel) -> None:
        """One batch, as the consumer hands it over."""
        async with self.database.transaction() as connection:
            await self.applier([record_of(one, offset=i) for i, one in enumerate(models)], connection)
        self.applier.committed()

    @asynccontextmanager
    async def in_hand(self, *models: RecordModel) -> AsyncIterator[Connection]:
        """Another worker's batch: applied when the block begins, committed when it ends."""
        async with self.database.transaction() as connection:
            await Applier(self.clock)([record_of(one, offset=i) for i, one in enumerate(models)], connection)
            yield connection

    async def waits(self, task: "asyncio.Task[Any]") -> None:
        """Until a transaction of the task waits for another one's lock or row, or it had nothing to wait for."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        async with asyncio.timeout(PATIENCE):
            while not task.done() and not await self.database.pool.fetchval(waiting):
                await asyncio.sleep(0.01)

    async def opened(self, place: Place | None = None, text: str = "Help!", *, at: datetime = NOW) -> dict[str, Any]:
        """A ticket from a customer's message."""
        command = place_message(place or slack_place(), text, at=at)
        assert command.open is not None
        await self.apply(command)
        return await self.ticket(command.open.ticket_id)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.http.get(f"/v1{path}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def ticket(self, ticket_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/tickets/{ticket_id}")
        return found

    async def tickets(self, **query: Any) -> list[dict[str, Any]]:
        return await self.all("/tickets", **query)

    async def messages(self, ticket_id: str) -> list[dict[str, Any]]:
        return await self.all(f"/tickets/{ticket_id}/messages")

    async def history(self, ticket_id: str) -> list[dict[str, Any]]:
        return await self.all(f"/tickets/{ticket_id}/history")

    async def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Over all pages."""
        items: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            answer = await self.get(path, **query, **page)
            items += answer["items"]
            if answer["next_cursor"] is None:
                return items
            page = {"cursor": answer["next_cursor"]}

    async def patch(self, ticket: dict[str, Any], **fields: Any) -> httpx.Response:
        """With the ETag of the ticket as given."""
        path = f"/v1/tickets/{ticket['id']}"
        return await self.http.patch(path, json=fields, headers={"If-Match": f'"{ticket["revision"]}"'})

    async def reply(self, ticket_id: str, text: str = "Here you are.", **fields: Any) -> dict[str, Any]:
        response = await self.http.post(f"/v1/tickets/{ticket_id}/replies", json={"text": text, **fields})
        assert response.status_code == 201, response.text
        written: dict[str, Any] = response.json()
        return written

    async def agent(self, name: str, *identities: str, role: str = "agent") -> dict[str, Any]:
        body = {"name": name, "role": role, "identities": list(identities)}
        response = await self.http.post("/v1/agents", json=body)
        assert response.status_code == 201, response.text
        added: dict[str, Any] = response.json()
        return added

    async def outbox(self, topic: str | None = None) -> list[Envelope[RecordModel]]:
        """What waits for the relay, decoded, in order."""
        rows = await self.database.pool.fetch("SELECT topic, headers, payload FROM outbox ORDER BY id")
        return [
            decode(
                row["topic"], [(name, value or b"") for name, value in unpack_headers(row["headers"])], row["payload"]
            )
            for row in rows
            if topic in {None, row["topic"]}
        ]

    async def said(self, topic: str) -> Sequence[Any]:
        """The models of the outbox's records of one topic."""
        return [one.data for one in await self.outbox(topic)]


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem detail, checked for its form."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = orjson.loads(response.content)
    assert body["status"] == status
    assert body["type"] == f"urn:okno:problem:{code}"
    assert body["title"]
    assert body["detail"]
    return body


def telegram_author(number: int, name: str) -> Author:
    return Author(key=telegram_person(number), name=name)


def slack_author(user: str, name: str | None = None) -> Author:
    return Author(key=PersonKey(slack_person(user)), name=name)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
