"""A trace collector that is away, or never answers, neither stops nor slows anybody: spans are lost, and counted."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from sandbox.stack.ports import free_port
from tests.end_to_end.support.silent_collector import SilentCollector
from tests.end_to_end.support.talk import Talk
from tests.end_to_end.support.town import Town
from tests.end_to_end.support.waiting import until

STAGES = {
    "ingest": {"ingest-telegram"},
    "router": {"router-0", "router-1"},
    "ticketing": {"ticketing-worker-0"},
    "API": {"ticketing-api"},
    "notifier": {"notifier-0"},
}
"""The processes on a message's way to its ticket and an answer's into the chat."""
PROCESSES = sorted(set().union(*STAGES.values()))
ENOUGH = 3
MOST_TALKS = 80
NAMES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "TRACE_SAMPLE_RATIO")


async def there_and_back(town: Town) -> None:
    """A message into its ticket, an answer into the chat."""
    talk = await town.telegram()  # no later test reads a dialog's history
    await talk.says()
    answer = await talk.answered()
    await until(lambda: _in_chat(talk, answer.text), what=f"{answer.text} in the chat")


async def _in_chat(talk: Talk, text: str) -> bool:
    return text in await talk.chat()


async def spans(town: Town, process: str, result: str) -> float:
    page = (await town.http.get(town.stack.info.metrics[process])).text
    found = re.search(rf'^okno_spans_total{{result="{result}"}} (\S+)$', page, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def more_lost(town: Town) -> None:
    """Every process tells of further spans that it could not send, and of none that it could."""
    before = {process: await spans(town, process, "failed") for process in PROCESSES}

    async def all_lost_more() -> bool:
        await there_and_back(town)
        return all([await spans(town, process, "failed") > before[process] for process in PROCESSES])

    await until(all_lost_more, what="spans lost by every process")
    assert [process for process in PROCESSES if await spans(town, process, "sent")] == []


async def test_messages_and_answers_get_through_whatever_the_collector_does(town: Town) -> None:
    collector = SilentCollector(free_port())
    before = {process: {name: town.stack.process(process).launch.env[name] for name in NAMES} for process in PROCESSES}
    traced = {process: dict(zip(NAMES, (collector.url(process), "1"), strict=True)) for process in PROCESSES}
    try:
        await asyncio.gather(*(town.stack.restart(process, env=traced[process]) for process in PROCESSES))
        await more_lost(town)
        async with collector.listening():
            await _while_requests_hang(town, collector)
            await more_lost(town)
            for process in PROCESSES:
                await _ends_in_order(town, collector, process)
                await town.stack.start_process(process, env=before[process])
    finally:
        for process in PROCESSES:
            if town.stack.process(process).launch.env[NAMES[0]] == collector.url(process):
                await town.stack.restart(process, env=before[process])
    await town.check()


async def _while_requests_hang(town: Town, collector: SilentCollector) -> None:
    """Of each stage journeys get through from whose begin to whose end one and the same request of it hangs."""
    through: Counter[str] = Counter()
    for _ in range(MOST_TALKS):
        if min(through[stage] for stage in STAGES) >= ENOUGH:
            return
        hung = dict(collector.hanging)
        await there_and_back(town)
        stuck = {process for number, process in hung.items() if number in collector.hanging}
        through.update(stage for stage, processes in STAGES.items() if processes <= stuck)
    raise AssertionError(f"{MOST_TALKS} journeys got through, but few while requests hung: {through}")


async def _ends_in_order(town: Town, collector: SilentCollector, process: str) -> None:
    """SIGTERM while a request of the process hangs that is still young."""
    known = set(collector.hanging)

    async def young() -> int | None:
        await there_and_back(town)
        return next((one for one, sender in collector.hanging.items() if sender == process and one not in known), None)

    await until(young, what=f"a request of {process} hangs")
    running = town.stack.process(process)
    await town.stack.stop_process(process)
    assert running.exit_code() == 0, running.log_tail()
