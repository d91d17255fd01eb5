"""`okno backfill`: has ingest-worker read what a platform told while ingest didn't listen."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer

from cli.environment import kafka_environment
from cli.failure import fail
from cli.output import say

app = typer.Typer(help="Read what was missed from a platform's history.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Read what was missed from a platform's history."""


@app.command("slack")
def slack(
    since: Annotated[
        str | None,
        typer.Option(help="from when on: 2026-05-21T15:00, or ago: 90m, 6h, 2d; default: the last day's first silence"),
    ] = None,
    channel: Annotated[str | None, typer.Option(help="only this one: C034 or slack:C034")] = None,
) -> None:
    """Have Slack's history read since the last event seen before a gap. Doing it twice changes nothing."""
    now = datetime.now(UTC)
    begin = None if since is None else moment(since, now)
    if begin is not None and begin > now:
        fail(f"--since {since} is yet to come.")
    key = None if channel is None else f"slack:{channel.removeprefix('slack:')}"
    asyncio.run(_ask(begin, key, now))
    start = begin or "the first silence of the last day"
    say(f"ingest-worker reads {key or 'all channels'} from {start} on; its log tells how far.")


def moment(text: str, now: datetime) -> datetime:
    """A time in ISO 8601 (UTC unless it says otherwise), or a duration before now. Ends the command for another."""
    from contracts.durations import parse_duration

    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        fail(f"{text!r} is no time.", "Write 2026-05-21T15:00, or how long ago: 90m, 6h, 2d.")
    return found if found.tzinfo else found.replace(tzinfo=UTC)


async def _ask(since: datetime | None, channel: str | None, now: datetime) -> None:
    from aiokafka.errors import KafkaError

    from chassis.kafka import make_producer
    from chassis.settings import KafkaSettings, SettingsRefused, read
    from contracts.chat_requests_v1 import ReadHistory
    from contracts.keys import ChannelKey, Platform
    from services.ingest.catch_up import publish

    key = None if channel is None else ChannelKey(channel)
    request = ReadHistory(platform=Platform.SLACK, requested_at=now, channel=key, since=since)
    try:
        producer = make_producer(read(KafkaSettings, kafka_environment()))
        await producer.start()
        try:
            await publish(producer, request, source="okno/cli")
        finally:
            await producer.stop()
    except SettingsRefused as refused:
        fail(str(refused))
    except (KafkaError, OSError) as error:
        fail(f"Kafka doesn't take the request: {error}", "Is Kafka up? `okno doctor` looks.")
