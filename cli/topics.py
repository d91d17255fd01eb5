"""`okno topics`: bring a Kafka cluster's topics in line with the registry, or see where they differ."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer

from cli.environment import kafka_environment
from cli.failure import fail
from cli.output import say

app = typer.Typer(help="Create topics from the registry, or check them against it.", no_args_is_help=True)
Replicas = Annotated[int | None, typer.Option(help="copies of each partition (default: 3, or the brokers there are)")]


@app.command("apply")
def apply(replicas: Replicas = None) -> None:
    """Create missing topics and set what differs. The number of partitions is never changed."""
    from chassis import topics_admin

    _report(topics_admin.apply, replicas, repaired=True)


@app.command("check")
def check(replicas: Replicas = None) -> None:
    """Say where the cluster's topics differ from the registry; exit 1 if they do."""
    from chassis import topics_admin

    _report(topics_admin.check, replicas, repaired=False)


def _report(work: Callable[..., Awaitable[list[Any]]], replicas: int | None, *, repaired: bool) -> None:
    from aiokafka.errors import KafkaError

    from chassis.settings import KafkaSettings, SettingsRefused, read
    from chassis.topics_admin import TopicsRefused

    async def run() -> list[Any]:
        return await work(read(KafkaSettings, kafka_environment()), replicas=replicas)

    try:
        differences = asyncio.run(run())
    except (KafkaError, OSError) as error:
        fail(f"Kafka can't be asked: {error}", "Is KAFKA_BOOTSTRAP_SERVERS right, and Kafka up? `okno doctor` looks.")
    except (SettingsRefused, TopicsRefused) as error:
        fail(str(error))
    for difference in differences:
        done = repaired and difference.repairable
        say(f"{'repaired: ' if done else ''}{difference}")
    if not differences:
        say("All topics are as the registry wants them.")
    if any(not (repaired and difference.repairable) for difference in differences):
        raise typer.Exit(1)
