"""Killed, stopped and replaced: nothing is lost, nothing takes effect twice, the order holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from contracts.base import RecordModel
from contracts.chat_events_v1 import ChatEvent
from contracts.ticket_commands_v1 import TicketCommand
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from tests.integration.router.conftest import RouterBench
from tests.integration.router.processes import RouterProcess
from tests.unit.router.makers import ALICE, BOB, COURSE, DIALOG, edit, post, renamed

COMMANDS = "ticket.commands.v1"
OTHER = renamed(COURSE, "slack:C55")

MakeProcess = Callable[..., RouterProcess]


@pytest.fixture
async def process(bench: RouterBench, tmp_path: Path) -> AsyncIterator[MakeProcess]:
    made: list[RouterProcess] = []

    def make(name: str = "router-0", *, faults: str = "", mode: str = "decide") -> RouterProcess:
        kafka = bench.settings.kafka_bootstrap_servers
        one = RouterProcess(name, dsn=bench.dsn, kafka=kafka, folder=tmp_path, faults=faults, mode=mode)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.kill()


def a_day() -> list[ChatEvent]:
    events: list[ChatEvent] = []
    for index in range(12):
        question = post(ALICE if index % 2 else BOB, index * 1000, f"question {index}")
        events += [question, edit(question, index * 1000 + 5, f"better question {index}")]
        events.append(post(ALICE, index * 1000 + 7, f"question {index}", OTHER))
        events.append(post(ALICE, index * 1000 + 8, f"question {index}", DIALOG))
    return events


def in_effect(records: list[tuple[int, RecordModel]]) -> dict[str, list[str]]:
    """The command ids of each channel in the order in which ticketing applies them: repeated ones count once."""
    seen: dict[str, dict[str, None]] = {}
    for _, record in records:
        assert isinstance(record, TicketCommand)
        seen.setdefault(record.channel_key, {}).setdefault(record.command_id)
    return {channel: list(found) for channel, found in seen.items()}


def expected(events: list[ChatEvent]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event.channel.key, []).append(f"{event.record_id}#0")
    return found


@pytest.mark.parametrize(
    "point",
    [
        "router.polled",
        "router.handled",
        "router.committed",
        "router.taken",
        "router.relayed",
        "router.published",
        "router.compares",
        "router.settled",
    ],
)
async def test_killed_at_any_point_the_successor_carries_on(
    bench: RouterBench, process: MakeProcess, point: str
) -> None:
    events = a_day()
    await bench.send(*events[:20])
    victim = await process(faults=f"{point}=kill").start()
    await bench.send(*events[20:])
    assert await victim.died() == -9
    assert victim.reached(point)
    successor = await process().start()
    await bench.settled()
    await bench.until(bench.outbox_published)
    assert await successor.stop() == 0
    assert in_effect(await bench.published_by_partition(COMMANDS)) == expected(events)
    assert len(await bench.rules()) == len(events)


async def test_what_a_killed_router_committed_is_published_before_anything_new(
    bench: RouterBench, process: MakeProcess
) -> None:
    first, second = post(ALICE, 0), post(BOB, 1000)
    victim = await process(faults="router.committed=kill").start()
    await bench.send(first)
    assert await victim.died() == -9
    assert await bench.rules() == {first.record_id: "open"}
    assert await bench.published(COMMANDS) == []
    await bench.send(second)
    await process().start()
    await bench.settled()
    await bench.until(bench.outbox_published)
    assert in_effect(await bench.published_by_partition(COMMANDS)) == expected([first, second])


async def test_a_stopped_router_that_comes_back_repeats_and_reorders_nothing(
    bench: RouterBench, process: MakeProcess
) -> None:
    """Stopped after its commit and before publishing, beyond its session: another one has its partitions by then."""
    first, second, third = post(ALICE, 0), post(BOB, 1000), post(ALICE, 2000)
    zombie = await process("router-0", faults="router.committed=stop@1").start()
    await bench.send(first)
    await zombie.until_reached("router.committed")
    await process("router-1").start()
    await bench.send(second)
    await bench.settled()
    zombie.resume()
    await bench.send(third)
    await bench.settled()
    await bench.until(bench.outbox_published)
    assert await zombie.stop() == 0
    assert in_effect(await bench.published_by_partition(COMMANDS)) == expected([first, second, third])
    assert list((await bench.rules()).values()) == ["open"] * 3


async def test_what_a_stopped_router_commits_and_never_publishes_comes_before_anything_new(
    bench: RouterBench, process: MakeProcess
) -> None:
    """Stopped before its commit and killed after it: its successor has looked through the outbox by then."""
    first, second = post(ALICE, 0), post(BOB, 1000)
    zombie = await process("router-0", faults="router.handled=stop,router.committed=kill").start()
    await bench.send(first)
    await zombie.until_reached("router.handled")
    await process("router-1").start()

    async def successor_waits() -> bool:
        waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        return bool(await bench.database.pool.fetchval(waiting))

    await bench.until(successor_waits)
    await bench.send(second)
    zombie.resume()
    assert await zombie.died() == -9
    await bench.settled()
    await bench.until(bench.outbox_published)
    assert in_effect(await bench.published_by_partition(COMMANDS)) == expected([first, second])


async def test_observing_decides_and_publishes_nothing(bench: RouterBench, process: MakeProcess) -> None:
    events = a_day()
    observer = await process(mode="observe").start()
    await bench.send(*events)
    await bench.settled()
    assert await observer.stop() == 0
    assert len(await bench.rules()) == len(events)
    for topic in (COMMANDS, "chat.replies.v1", "chat.requests.v1"):
        assert await bench.published(topic) == []


async def test_a_router_that_starts_while_its_servers_are_away_waits_for_them(
    bench: RouterBench, process: MakeProcess, kafka: EmbeddedKafka, postgres: EmbeddedPostgres
) -> None:
    await bench.send(post(ALICE, 0))
    await postgres.stop()
    await kafka.stop()
    router = await process().start()
    await router.until_logged("start_waits")
    await postgres.start()
    await router.until_logged("KafkaConnectionError")
    await kafka.start()
    await bench.settled()
    assert await router.stop() == 0
    assert in_effect(await bench.published_by_partition(COMMANDS)) == expected([post(ALICE, 0)])
    log = router.log.read_text()
    assert "start_failed" not in log
    assert "Unclosed" not in log
    assert "never retrieved" not in log
