"""A process ends whole: by a signal, by a failed component, in its time, leaving no PID file behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).with_name("process_stories.py")


class Running:
    """A process of process_stories.py, read line by line: texts as they are, log lines as objects."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []
        self.logged: list[dict[str, Any]] = []

    async def until(self, msg: str) -> dict[str, Any]:
        """Read up to the log line with this message, or to the text itself."""
        while (line := await self._line()) is not None:
            if line.get("msg") == msg:
                return line
        raise AssertionError(f"ended without {msg!r}: {self.said} {self.logged}")

    async def end(self) -> int:
        while await self._line() is not None:
            continue
        return await self.process.wait()

    def messages(self) -> list[str]:
        return [line["msg"] for line in self.logged]

    async def _line(self) -> dict[str, Any] | None:
        assert self.process.stdout is not None
        raw = await self.process.stdout.readline()
        text = raw.decode().strip()
        if text.startswith("{"):
            self.logged.append(json.loads(text))
            return self.logged[-1]
        if text:
            self.said.append(text)
        return {"msg": text} if raw else None


Start = Callable[..., Any]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[Running] = []

    async def start_one(story: str, **environ: str) -> Running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SCRIPT),
            story,
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PROBE_PORT": "0"} | environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        started.append(Running(process))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.returncode is None:
            running.process.kill()
            await running.process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_a_process_in_order(start: Start, tmp_path: Path, number: signal.Signals) -> None:
    pid_file = tmp_path / "run" / "router-0.pid"
    running = await start("orderly", PID_FILE=str(pid_file), PROCESS_NAME="router-0")
    starting = await running.until("starting")
    await running.until("started")
    assert int(pid_file.read_text()) == running.process.pid == starting["pid"]
    running.process.send_signal(number)
    assert await running.end() == 0
    assert running.said == [
        "consumer asked to stop",
        "consumer finished",
        "relay asked to stop",
        "relay finished",
        "producer closed",
        "database closed",
    ]
    assert not pid_file.exists()
    assert {line["process"] for line in running.logged} == {"router-0"}
    assert running.messages() == ["starting", "started", "signal", "stopped"]


async def test_probes_answer_while_it_runs(start: Start) -> None:
    running = await start("orderly")
    url = (await running.until("starting"))["probes"]
    await running.until("started")
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        numbers = (await client.get("/metrics")).text
    assert 'okno_process_info{kind="router",name="router"} 1.0' in numbers
    running.process.terminate()
    assert await running.end() == 0


async def test_a_process_that_still_starts_is_live_but_not_ready_and_can_be_stopped(start: Start) -> None:
    running = await start("slow_start")
    url = (await running.until("starting"))["probes"]
    await running.until("connecting")
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["problems"]) == (503, {"process": "starting"})
    running.process.terminate()
    assert await running.end() == 0
    assert running.said[-1] == "database closed"


async def test_a_crashing_component_ends_the_process_and_is_logged_once(start: Start, tmp_path: Path) -> None:
    pid_file = tmp_path / "router.pid"
    running = await start("crashing", PID_FILE=str(pid_file))
    assert await running.end() == 1
    [failure] = [line for line in running.logged if line["level"] == "error"]
    assert (failure["msg"], failure["component"]) == ("component_failed", "crasher")
    assert failure["error"] == "RuntimeError: the crash"
    assert running.said[-2:] == ["producer closed", "database closed"]
    assert {"relay finished", "consumer finished"} <= set(running.said)
    assert not pid_file.exists()


async def test_a_component_that_ends_unasked_ends_the_process(start: Start) -> None:
    running = await start("returning")
    assert await running.end() == 1
    [failure] = [line for line in running.logged if line["level"] == "error"]
    assert (failure["component"], failure["error"]) == (
        "forever",
        "EndedUnasked: forever ended though nobody stopped it",
    )


async def test_a_failed_start_closes_what_was_opened(start: Start) -> None:
    running = await start("failing_start")
    assert await running.end() == 1
    assert "start_failed" in running.messages()
    assert "started" not in running.messages()
    assert running.said[-2:] == ["producer closed", "database closed"]


async def test_a_start_does_not_wait_for_a_file_that_is_missing(start: Start) -> None:
    running = await start("misconfigured_start")
    assert await running.end() == 1
    assert running.messages() == ["starting", "start_failed", "stopped"]


async def test_a_start_that_finds_its_servers_away_is_repeated_from_the_ground(start: Start) -> None:
    running = await start("early_start")
    url = (await running.until("starting"))["probes"]
    assert "Connection refused" in (await running.until("start_waits"))["error"]
    assert running.said[-2:] == ["producer closed", "database closed"]
    assert (await running.until("started"))["components"] == ["relay", "consumer", "comparing"]
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).status_code == 200, "nothing is left of the first attempt"
        assert (await client.get("/readyz")).status_code == 200
    running.process.terminate()
    assert await running.end() == 0
    assert running.messages() == ["starting", "start_waits", "started", "signal", "stopped"]


async def test_a_process_that_waits_for_its_start_is_live_says_why_and_can_be_stopped(start: Start) -> None:
    running = await start("waiting_start")
    url = (await running.until("starting"))["probes"]
    await running.until("start_waits")
    async with httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/livez")).status_code == 200
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert "Connection refused" in answer.json()["problems"]["process"]
    running.process.terminate()
    assert await running.end() == 0
    assert running.messages() == ["starting", "start_waits", "signal", "stopped"]


async def test_a_start_waits_for_a_bounded_time(start: Start) -> None:
    running = await start("vain_start")
    assert await running.end() == 1
    assert "start_failed" in running.messages()
    assert running.said[-2:] == ["producer closed", "database closed"]


async def test_work_that_does_not_finish_is_cancelled_after_the_drain(start: Start) -> None:
    running = await start("never_finishing", DRAIN_SECONDS="0.05")
    await running.until("started")
    running.process.terminate()
    assert await running.end() == 3
    assert running.said == ["slow asked to stop", "work cancelled", "database closed"]
    [incomplete] = [line for line in running.logged if line["msg"] == "drain_incomplete"]
    assert incomplete["components"] == ["slow"]


async def test_a_second_signal_cuts_the_drain_short(start: Start) -> None:
    running = await start("never_finishing", DRAIN_SECONDS="3600")
    await running.until("started")
    running.process.terminate()
    await running.until("slow asked to stop")
    running.process.terminate()
    assert await running.end() == 3
    assert "signal_again" in running.messages()


async def test_a_component_deaf_to_cancellation_does_not_hold_the_end(start: Start, tmp_path: Path) -> None:
    pid_file = tmp_path / "router.pid"
    running = await start("deaf", DRAIN_SECONDS="0", PID_FILE=str(pid_file))
    await running.until("started")
    running.process.terminate()
    assert await running.end() == 3
    [stuck] = [line for line in running.logged if line["msg"] == "tasks_stuck"]
    assert stuck["tasks"] == ["deaf"]
    assert not pid_file.exists()


async def test_a_component_may_end_the_process_in_order(start: Start) -> None:
    running = await start("stopping_itself")
    assert await running.end() == 0
    assert running.said == ["router router"]


async def test_a_process_whose_parts_run_elsewhere_waits_for_a_signal(start: Start) -> None:
    running = await start("bare")
    url = (await running.until("starting"))["probes"]
    await running.until("started")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/readyz")).status_code == 200
    running.process.terminate()
    assert await running.end() == 0
    assert running.said == ["connection closed"]


async def test_a_refused_configuration_ends_with_code_2_and_one_message(start: Start) -> None:
    running = await start("orderly", PROBE_PORT="http", LOG_FORMAT="xml")
    assert await running.end() == 2
    assert running.said[0] == "Okno can't start: 2 settings are wrong."
    assert "Example: PROBE_PORT=9464" in running.said
    assert running.logged == []


async def test_a_probe_port_in_use_is_named(start: Start) -> None:
    first = await start("orderly")
    port = (await first.until("starting"))["probes"].rsplit(":", 1)[1]
    await first.until("started")
    second = await start("orderly", PROBE_PORT=port)
    assert await second.end() == 1
    assert second.logged[-1]["error"].startswith(f"AddressInUse: can't listen on 127.0.0.1:{port}")
    first.process.terminate()
    assert await first.end() == 0


async def test_an_absent_collector_does_not_hold_the_end(start: Start) -> None:
    running = await start("orderly", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", TRACE_SAMPLE_RATIO="1")
    await running.until("started")
    running.process.terminate()
    assert await running.end() == 0
