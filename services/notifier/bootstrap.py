"""Where the notifier is put together. Nothing connects at import."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from chassis import migrations, published
from chassis.batches import Outcome
from chassis.clock import SystemClock
from chassis.compared import connect_compared
from chassis.consumer import Consumer
from chassis.kafka import make_producer
from chassis.lifecycle import ProcessContext
from chassis.pruning import Pruner
from chassis.relay import Relay
from contracts.keys import Platform
from services.notifier import retention
from services.notifier.dispatch import Dispatcher
from services.notifier.handle import handle
from services.notifier.ledger.forgotten import VERSIONS
from services.notifier.limits import ChannelLimits
from services.notifier.outcomes import Sender
from services.notifier.settings import NotifierSettings
from services.notifier.worker import Worker

SCHEMA = "notifier"
MIGRATIONS = Path(__file__).parent / "migrations"
FOLDERS = [migrations.CHASSIS, ("notifier", MIGRATIONS)]
CONSUMER = "notifier"
TOPIC = "chat.replies.v1"
QUESTIONS = {"chat.receipts.v1": published.by_version(VERSIONS, "delivery_id", "delivery_id")}
"""The topic whose records come from this schema, with the question what the tables lack."""
LOOP_LIMIT_SECONDS = 60

FAULT_POINTS: dict[str, str] = {
    "notifier.leased": "A call is leased, nothing was sent.",
    "notifier.posted": "The platform has answered, the ledger doesn't know.",
    "notifier.recorded": "The ledger has the message's key, the receipt isn't relayed.",
}
"""The notifier's own; those of the chassis have the prefix `notifier` (chassis/faults.py)."""


def senders_of(settings: NotifierSettings) -> dict[Platform, Sender]:
    """A sender for each connected platform."""
    senders: dict[Platform, Sender] = {}
    if settings.slack_bot_token is not None:
        from services.notifier.slack.send import SlackSender

        senders[Platform.SLACK] = SlackSender(
            token=settings.slack_bot_token.get_secret_value(),
            api_url=settings.slack_api_url,
            timeout=settings.slack_timeout_seconds,
        )
    if settings.telegram_bot_token is not None:
        from services.notifier.telegram.send import TelegramSender

        senders[Platform.TELEGRAM] = TelegramSender(
            token=settings.telegram_bot_token.get_secret_value(),
            api_url=settings.telegram_api_url,
            timeout=settings.telegram_timeout_seconds,
        )
    return senders


async def run_notifier(process: ProcessContext[NotifierSettings]) -> None:
    """`chat.replies.v1` into the ledger, the ledger out to the platforms, receipts to `chat.receipts.v1`."""
    settings = process.settings
    database = await connect_compared(process, schema=SCHEMA, folders=FOLDERS, topics=QUESTIONS, connections=8)
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    senders = senders_of(settings)
    for sender in senders.values():
        process.defer(sender.close)
        await sender.open()

    clock = SystemClock()
    limits = ChannelLimits()
    relay = Relay(database=database, producer=producer, process=process.name, fault_prefix="notifier")
    worker = Worker(
        database=database, senders=senders, limits=limits, clock=clock, settling_seconds=settings.settling_seconds
    )
    timeouts = {
        Platform.SLACK: settings.slack_timeout_seconds,
        Platform.TELEGRAM: settings.telegram_timeout_seconds,
    }

    async def assigned() -> bool:
        return consumer.ready()

    async def committed(_: Outcome | None) -> None:
        relay.wake()
        dispatcher.wake()

    consumer = Consumer(
        name=CONSUMER,
        park_keys=settings.park_keys,
        topics=[TOPIC],
        database=database,
        kafka=settings,
        handle=handle,
        process=process.name,
        after_commit=committed,
    )
    dispatcher = Dispatcher(
        database=database,
        worker=worker,
        limits=limits,
        clock=clock,
        partitions=lambda: [partition for _, partition in consumer.partitions],
        lease_seconds={str(name): seconds + settings.settling_seconds for name, seconds in timeouts.items()},
        notice_max_age=timedelta(minutes=settings.notice_max_age_minutes),
        committed=relay.wake,
    )
    pruner = Pruner(database, retention.rules(settings, {CONSUMER: [TOPIC]}))
    process.spawn("pruning", pruner.run(), stop=pruner.stop)
    process.spawn("relay", relay.run(), stop=relay.stop)
    process.spawn("dispatcher", dispatcher.run(), stop=dispatcher.stop)
    process.spawn("consumer", consumer.run(), stop=consumer.stop)
    process.add_liveness("relay", relay.last_turn_age, LOOP_LIMIT_SECONDS)
    process.add_liveness("dispatcher", dispatcher.last_turn_age, LOOP_LIMIT_SECONDS)
    process.add_liveness("consumer", consumer.last_turn_age, LOOP_LIMIT_SECONDS)
    process.add_readiness("consumer", assigned)
    process.add_readiness("database", database.reachable)
