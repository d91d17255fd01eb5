"""Where ingest's processes are put together. Nothing connects at import."""

import asyncio
from datetime import timedelta
from pathlib import Path

from chassis.batches import Outcome
from chassis.consumer import Consumer
from chassis.database import Database
from chassis.kafka import make_producer
from chassis.lifecycle import ProcessContext
from chassis.migrations import CHASSIS, check_schema
from chassis.pruning import Pruner
from chassis.relay import Relay
from contracts.keys import Platform
from services.ingest.asgi import WebhookApp
from services.ingest.catch_up import CatchUp
from services.ingest.publish import Intake
from services.ingest.reading import CONSUMER, SCHEMA, TOPICS
from services.ingest.settings import IngestSlackSettings, IngestTelegramSettings, IngestWorkerSettings

FOLDERS = (CHASSIS, (SCHEMA, Path(__file__).parent / "migrations"))
POLL_LIMIT_SECONDS = 120
LOOP_LIMIT_SECONDS = 60
GATHER_SECONDS = 0.25
"""The worker lets events gather: nobody waits for a profile, and many small transactions would slow the tickets."""


async def run_ingest_slack(process: ProcessContext[IngestSlackSettings]) -> None:
    """Slack's events over HTTP or Socket Mode to `chat.events.v1`."""
    from services.ingest.slack.parse import parse
    from services.ingest.slack.receive import SlackWebhook

    settings = process.settings
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    catch_up = CatchUp(producer, Platform.SLACK, process=process.kind, after=settings.slack_backfill_after_seconds)
    process.spawn("catch-up", catch_up.run())
    await _note_outages(process, catch_up)
    intake = Intake(producer, parse, platform="slack", process=process.kind, catch_up=catch_up)
    process.spawn("publishing", intake.watch())
    if settings.slack_transport == "http":
        webhook = SlackWebhook(intake, *settings.signing_secrets, catch_up=catch_up)
        process.serve_http(
            "webhook", WebhookApp(webhook, webhook.path), host=settings.http_host, port=settings.http_port
        )
        return
    from services.ingest.slack.socket import SocketMode

    assert settings.slack_app_token is not None  # noqa: S101  checked by the settings
    token = settings.slack_app_token.get_secret_value()
    socket = SocketMode(intake, app_token=token, api_url=settings.slack_api_url, catch_up=catch_up)
    process.defer(socket.close)
    process.spawn("socket", socket.run())
    process.add_readiness("socket", socket.connected)


async def _note_outages(process: ProcessContext[IngestSlackSettings], catch_up: CatchUp) -> None:
    """PostgreSQL may be away, or not ours: nothing waits for it."""
    url = process.settings.database_url
    if url is None:
        return
    from services.ingest.outages import Outages

    database = await Database.connect(
        url.get_secret_value(), schema=SCHEMA, process=process.name, min_size=0, max_size=1
    )
    process.defer(database.close)
    process.spawn("outages", Outages(database, catch_up, process=process.name).run())


async def run_ingest_telegram(process: ProcessContext[IngestTelegramSettings]) -> None:
    """Telegram's updates by webhook or long polling to `chat.events.v1`."""
    import aiohttp

    from services.ingest.telegram.calls import TelegramCalls
    from services.ingest.telegram.parse import Bot, parse
    from services.ingest.telegram.polling import Polling
    from services.ingest.telegram.receive import TelegramWebhook
    from services.ingest.telegram.register import register

    settings = process.settings
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    session = await process.enter(aiohttp.ClientSession())
    calls = TelegramCalls(session, settings.telegram_api_url, settings.telegram_bot_token.get_secret_value())
    catch_up = CatchUp(producer, Platform.TELEGRAM, process=process.kind, after=float("inf"))
    process.spawn("catch-up", catch_up.run())
    bot = Bot(settings.bot_id)
    intake = Intake(producer, lambda update, at: parse(update, bot, at), platform="telegram", process=process.kind)
    process.spawn("publishing", intake.watch())
    polling = settings.telegram_transport == "polling"
    secrets = settings.secret_tokens
    secret = secrets[0] if secrets else None
    url = settings.telegram_webhook_url
    process.spawn("register", register(calls, bot, webhook_url=url, secret=secret, polling=polling), once=True)
    if polling:
        loop = Polling(calls, intake)
        process.spawn("polling", loop.run(), stop=loop.stop)
        process.add_liveness("polling", loop.last_turn_age, POLL_LIMIT_SECONDS)
        return
    webhook = TelegramWebhook(intake, bot.id, *secrets)
    process.serve_http("webhook", WebhookApp(webhook, webhook.path), host=settings.http_host, port=settings.http_port)


async def run_ingest_worker(process: ProcessContext[IngestWorkerSettings]) -> None:
    """Profiles, thread history and backfill, outside the acknowledgement path."""
    import aiohttp
    from slack_sdk.web.async_client import AsyncWebClient

    from services.ingest.telegram.calls import TelegramCalls
    from services.ingest.worker import retention
    from services.ingest.worker.backfill import Backfill
    from services.ingest.worker.run import JobLoop, Noting
    from services.ingest.worker.slack_reads import SlackReads

    settings = process.settings
    database = await Database.connect(settings.database_url.get_secret_value(), schema=SCHEMA, process=process.name)
    process.defer(database.close)
    await check_schema(database, FOLDERS)
    process.add_readiness("database", database.reachable)
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    session = await process.enter(aiohttp.ClientSession())
    slack = telegram = None
    if settings.slack_bot_token is not None:
        token = settings.slack_bot_token.get_secret_value()
        client = AsyncWebClient(token=token, base_url=settings.slack_api_url, session=session, retry_handlers=[])
        slack = SlackReads(client)
    if settings.telegram_bot_token is not None:
        telegram = TelegramCalls(session, settings.telegram_api_url, settings.telegram_bot_token.get_secret_value())
    relay = Relay(database=database, producer=producer, process=process.name)
    process.spawn("relay", relay.run(), stop=relay.stop)
    process.add_liveness("relay", relay.last_turn_age, LOOP_LIMIT_SECONDS)
    pruner = Pruner(database, retention.rules(settings, {CONSUMER: TOPICS}))
    process.spawn("pruning", pruner.run(), stop=pruner.stop)
    after = timedelta(seconds=settings.slack_backfill_after_seconds)
    backfill = Backfill(database, slack, after=after, look_back=timedelta(days=settings.slack_backfill_look_back_days))
    loop = JobLoop(database, slack, telegram, backfill=backfill)
    process.spawn("jobs", loop.run(), stop=loop.stop)

    noting = Noting()

    async def noted(_: Outcome | None) -> None:
        if noting.jobs_added:
            noting.jobs_added = False
            loop.wake()
        await asyncio.sleep(GATHER_SECONDS)

    consumer = Consumer(
        name=CONSUMER,
        topics=TOPICS,
        database=database,
        kafka=settings,
        handle=noting.handle,
        process=process.name,
        after_commit=noted,
        max_records=1000,
    )
    process.spawn("consumer", consumer.run(), stop=consumer.stop)
    process.add_liveness("jobs", loop.last_turn_age, LOOP_LIMIT_SECONDS)
    process.add_liveness("consumer", consumer.last_turn_age, LOOP_LIMIT_SECONDS)
    process.add_readiness("consumer", consumer.ready)
