"""A notifier against a real PostgreSQL and both simulated platforms; Kafka is left out where a test is not about it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pytest
from aiohttp import web

from chassis import migrations
from chassis.backoff import Backoff
from chassis.clock import Clock, SystemClock
from chassis.database import Database
from chassis.outbox import unpack_headers
from chassis.records import Record
from contracts import codec, keys
from contracts.chat import Channel, ChannelType, Person, Place
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.chat_replies_v1 import PostReply, ReplyInstruction, ReplySource
from contracts.keys import MessageKey, Platform
from sandbox import slack as sandbox_slack
from sandbox import telegram as sandbox_telegram
from sandbox.slack.messages import Draft
from sandbox.slack.model import ChannelType as SlackChannelType
from sandbox.slack.simulation import Simulation as Slack
from sandbox.telegram.simulation import Simulation as Telegram
from services.notifier.bootstrap import FOLDERS, SCHEMA
from services.notifier.dispatch import Dispatcher
from services.notifier.handle import handle
from services.notifier.limits import ChannelLimits
from services.notifier.outcomes import ChangeOutcome, Content, PostOutcome, ReadOutcome, Sender, Target
from services.notifier.slack.send import SlackSender
from services.notifier.telegram.send import TelegramSender
from services.notifier.worker import RETRIES, Worker

Instruction = TypeVar("Instruction", bound=ReplyInstruction)
TIMEOUT = 1.0
SETTLING = 0.3
BOT = 7700


async def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until the condition holds (it may be a coroutine function); fail when it never does."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.01)


@dataclass
class Desk:
    """What tests hold: the ledger, both platforms, and instructions."""

    database: Database
    slack: Slack
    telegram: Telegram
    base_url: str
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    dispatchers: list[Dispatcher] = field(default_factory=list)

    # --- platforms

    def slack_channel(self, name: str = "help") -> Place:
        """A channel with a customer's message in it, as the place of its thread."""
        people, places = self.slack.workspace, self.slack.places
        user = next((one for one in people.users.values() if one.name == "ada"), None) or places.add_user("ada")
        channel = places.add_channel(name, SlackChannelType.PUBLIC, [user, people.bot])
        root = self.slack.messages.post(channel, Draft(user, "It doesn't work"))
        key = keys.slack_channel(channel.id)
        where = Channel(key=key, platform=Platform.SLACK, workspace="T0SANDBOX", type=ChannelType.PUBLIC)
        return Place(key=keys.place_key(key, root.ts), channel=where, thread=root.ts)

    def telegram_dialog(self, user_id: int = 5) -> Place:
        """A dialog that the customer has begun."""
        self.telegram.world.add_person("Ada", user_id=user_id)
        self.telegram.actions.send(user_id, text="/start")
        return self.telegram_place(user_id)

    def telegram_place(self, chat_id: int) -> Place:
        """A dialog, or a group as a whole."""
        key = keys.telegram_channel(BOT, chat_id)
        kind = ChannelType.DIALOG if chat_id > 0 else ChannelType.GROUP
        where = Channel(key=key, platform=Platform.TELEGRAM, workspace=str(BOT), type=kind)
        return Place(key=keys.place_key(key, None), channel=where)

    def slack_dialog(self) -> Place:
        """A DM of a customer with the bot."""
        user = self.slack.places.add_user("eve")
        channel, _ = self.slack.places.open_dialog([user, self.slack.workspace.bot])
        key = keys.slack_channel(channel.id)
        where = Channel(key=key, platform=Platform.SLACK, workspace="T0SANDBOX", type=ChannelType.DIALOG)
        return Place(key=keys.place_key(key, None), channel=where)

    def slack_customer_writes(self, place: Place, text: str) -> None:
        """A customer's message in the place's thread."""
        user = next(one for one in self.slack.workspace.users.values() if one.name == "ada")
        channel = self.slack.workspace.channel(keys.native_channel(place.channel.key))
        self.slack.messages.post(channel, Draft(user, text, thread_ts=place.thread))

    def slack_keys(self, place: Place) -> list[str]:
        """Message keys of the bot's posts in the place's channel, in order."""
        channel = self.slack.workspace.channel(keys.native_channel(place.channel.key))
        bot = self.slack.workspace.bot.id
        return [keys.message_key(place.channel.key, one.ts) for one in channel.messages.values() if one.user == bot]

    def slack_posts(self, place: Place) -> list[str]:
        """Texts of the bot in the place's channel, in order."""
        channel = self.slack.workspace.channel(keys.native_channel(place.channel.key))
        bot = self.slack.workspace.bot.id
        return [message.text for message in channel.messages.values() if message.user == bot]

    def telegram_posts(self, place: Place) -> list[str]:
        """Texts of the bot in the chat, in order."""
        chat = self.telegram.world.chat(int(keys.native_channel(place.channel.key)), BOT)
        assert chat is not None
        return [one.content["text"] for one in chat.messages.values() if one.sender_id == BOT and not one.deleted]

    def calls(self, method: str) -> list[str]:
        """What was answered to calls of a method of Slack."""
        return [call.answered for call in self.slack.web_api.calls if call.method == method]

    # --- instructions

    def post(
        self,
        place: Place,
        text: str = "Try again",
        *,
        conversation: str | None = None,
        mentions: tuple[Person, ...] = (),
        source: ReplySource = ReplySource.AGENT,
        requested_at: datetime | None = None,
    ) -> PostReply:
        number = next(self.numbers)
        return PostReply(
            instruction_id=f"ins_{number}",
            delivery_id=f"rpl_{number}",
            channel_key=place.channel.key,
            requested_at=requested_at or datetime.now(UTC),
            conversation_id=conversation or f"cnv_{place.key}",
            place=place,
            text=text,
            source=source,
            ticket_id="tkt_1",
            mentions=mentions,
        )

    def about(self, model: type[Instruction], post: PostReply, **more: object) -> Instruction:
        """An instruction about a delivery."""
        return model.model_validate(
            {
                "instruction_id": f"ins_{next(self.numbers)}",
                "delivery_id": post.delivery_id,
                "channel_key": post.channel_key,
                "requested_at": datetime.now(UTC),
                **more,
            }
        )

    async def give(self, *instructions: ReplyInstruction, partition: int = 0, traceparent: str | None = None) -> None:
        """Hand instructions to the ledger as the consumer does, and wake the dispatchers."""
        records = []
        for one in instructions:
            encoded = codec.encode(one, source="test", time=one.requested_at, traceparent=traceparent)
            envelope = codec.decode(encoded.topic, encoded.headers, encoded.value)
            records.append(
                Record(encoded.topic, partition, 0, 0, encoded.key, encoded.value, encoded.headers, envelope)
            )
        async with self.database.transaction() as connection:
            await handle(records, connection)
        for dispatcher in self.dispatchers:
            dispatcher.wake()

    # --- what came of them

    async def receipts(self, delivery_id: str | None = None) -> list[DeliveryChanged]:
        """Everything in the outbox, which nobody relays here."""
        rows = await self.database.pool.fetch("SELECT topic, headers, payload FROM outbox ORDER BY id")
        models = [
            codec.decode(
                row["topic"],
                [(name, value) for name, value in unpack_headers(row["headers"]) if value is not None],
                row["payload"],
            ).data
            for row in rows
        ]
        found = [model for model in models if isinstance(model, DeliveryChanged)]
        return [one for one in found if delivery_id in {None, one.delivery_id}]

    async def states(self, post: PostReply) -> list[str]:
        """`operation state` of each receipt of a delivery, whose versions must be gapless."""
        found = await self.receipts(post.delivery_id)
        assert [one.version for one in found] == list(range(1, len(found) + 1))
        return [f"{one.operation} {one.state}" for one in found]

    async def state(self, post: PostReply) -> str:
        return (await self.states(post))[-1]

    async def reaches(self, post: PostReply, state: str) -> DeliveryChanged:
        """Wait for a delivery's last receipt to be of this kind, such as `post sent`."""

        async def there() -> bool:
            return await self.state(post) == state

        await eventually(there)
        return (await self.receipts(post.delivery_id))[-1]

    # --- processes

    def senders(self) -> dict[Platform, Sender]:
        slack = SlackSender(token="xoxb-sandbox-bot-token", api_url=f"{self.base_url}/slack/api/", timeout=TIMEOUT)
        telegram = TelegramSender(token="7700:sandbox-bot-token", api_url=f"{self.base_url}/telegram", timeout=TIMEOUT)
        return {Platform.SLACK: slack, Platform.TELEGRAM: telegram}

    def dispatcher(
        self,
        used: dict[Platform, Sender],
        partitions: tuple[int, ...] = (0,),
        clock: Clock | None = None,
        retries: Backoff = RETRIES,
    ) -> Dispatcher:
        """One that doesn't run yet."""
        limits = ChannelLimits()
        clock = clock or SystemClock()
        worker = Worker(
            database=self.database,
            senders=used,
            limits=limits,
            clock=clock,
            settling_seconds=SETTLING,
            retries=retries,
        )
        return Dispatcher(
            database=self.database,
            worker=worker,
            limits=limits,
            clock=clock,
            partitions=lambda: partitions,
            lease_seconds={"slack": TIMEOUT + SETTLING, "telegram": TIMEOUT + SETTLING},
        )

    @asynccontextmanager
    async def dispatching(
        self,
        partitions: tuple[int, ...] = (0,),
        *,
        senders: dict[Platform, Sender] | None = None,
        clock: Clock | None = None,
        retries: Backoff = RETRIES,
    ) -> AsyncIterator[Dispatcher]:
        """A running dispatcher that owns these partitions."""
        used = self.senders() if senders is None else senders
        dispatcher = self.dispatcher(used, partitions, clock, retries)
        self.dispatchers.append(dispatcher)
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
        finally:
            self.dispatchers.remove(dispatcher)
            dispatcher.stop()
            await running
            for sender in used.values():
                await sender.close()


class Dying:
    """A sender whose process dies in its first post, before or after the effect."""

    timeout = TIMEOUT
    keeps_messages = True

    def __init__(self, desk: Desk, *, posts: bool, copies: int = 1) -> None:
        self._desk, self._posts, self._copies = desk, posts, copies
        self.died = asyncio.Event()

    async def open(self) -> None:
        return

    def render(self, text: str, mentions: Sequence[object]) -> list[Content]:
        return [Content(text[begin : begin + 4000]) for begin in range(0, len(text), 4000)]  # as long as Slack takes

    async def post(self, target: Target, content: Content) -> PostOutcome:
        if self._posts:
            sender = self._desk.senders()[target.place.channel.platform]
            for _ in range(self._copies):
                await sender.post(target, content)
            await sender.close()
        self.died.set()
        raise RuntimeError("dies here")

    async def update(self, key: MessageKey, content: Content) -> ChangeOutcome:
        raise NotImplementedError

    async def remove(self, key: MessageKey) -> ChangeOutcome:
        raise NotImplementedError

    async def find(self, target: Target, since: float) -> ReadOutcome:
        raise NotImplementedError

    async def close(self) -> None:
        return


class Stopped(SlackSender):
    """A sender whose process is stopped when its request is about to leave."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(token="xoxb-sandbox-bot-token", api_url=f"{desk.base_url}/slack/api/", timeout=TIMEOUT)
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def post(self, target: Target, content: Content) -> PostOutcome:
        self.reached.set()
        await self.go_on.wait()
        return await super().post(target, content)


@pytest.fixture
async def ledger(database_url: str) -> AsyncIterator[Database]:
    """The notifier's schema in a database of the test's own."""
    await migrations.migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    database = await Database.connect(database_url, schema=SCHEMA, process="notifier-test", min_size=2, max_size=8)
    yield database
    await database.close()


@pytest.fixture
async def desk(ledger: Database) -> AsyncIterator[Desk]:
    """Both simulated platforms, served on a free port, and an empty ledger."""
    slack, telegram = Slack(), Telegram()
    app = web.Application()
    app.add_routes(sandbox_slack.routes(slack))
    app.add_routes(sandbox_telegram.routes(telegram))
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield Desk(ledger, slack, telegram, f"http://127.0.0.1:{port}")
    await runner.cleanup()
    await slack.close()
    await telegram.close()
