"""The stack runner on toy processes: order, failures, restarts by hand, and stopping exactly what was started."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import psutil
import pytest

from sandbox.stack import stack as stack_module
from sandbox.stack.errors import ProcessFailed, StackError
from sandbox.stack.options import StackOptions
from sandbox.stack.paths import ROOT
from sandbox.stack.progress import SILENT, Progress
from sandbox.stack.stack import Stack, stop_background
from tests.integration.stack.toys import no_preparation, no_registration, toy_command, toys

NAMES = [
    "sandbox", "ingest-slack", "ingest-telegram", "ingest-worker", "ticketing-api", "router-0", "ticketing-worker-0",
    "notifier-0",
]  # fmt: skip

MakeStack = Callable[..., Stack]


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name in ("SLACK_API_URL", "TELEGRAM_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "state"


@pytest.fixture
async def make_stack(state: Path) -> AsyncIterator[MakeStack]:
    def make(extra_env: Mapping[str, Mapping[str, str]] | None = None, progress: Progress = SILENT) -> Stack:
        options = StackOptions(state=state, stable_ports=False, extra_env=extra_env or {})
        return Stack(
            options, progress=progress, command_of=toy_command, prepare=no_preparation, register=no_registration
        )

    yield make
    await stop_background(state)


async def test_every_process_runs_on_its_own_and_the_file_says_how_to_start_it_again(
    make_stack: MakeStack, state: Path
) -> None:
    async with make_stack():
        written = json.loads((state / "stack.json").read_text())
        assert list(written["processes"]) == NAMES
        assert len({process["pid"] for process in written["processes"].values()}) == len(NAMES)
        assert {process.pid for process in toys(state)} == {entry["pid"] for entry in written["processes"].values()}
        router = written["processes"]["router-0"]
        actual = psutil.Process(router["pid"])
        assert actual.cmdline() == router["command"]
        assert actual.environ() == router["env"]
        assert actual.cwd() == router["cwd"]
        assert (state / "stack.json").stat().st_mode & 0o077 == 0
    assert toys(state) == []
    assert not (state / "stack.json").exists()


async def test_stack_json_has_all_that_the_interface_promises(make_stack: MakeStack, state: Path) -> None:
    async with make_stack():
        written = json.loads((state / "stack.json").read_text())
    promised = {
        "ticketing_api": {"url", "token"},
        "kafka": {"bootstrap_servers"},
        "postgres": {"dsn"},
        "slack": {"events_url", "api_url", "signing_secret", "team_id", "bot_token", "bot_user_id"},
        "telegram": {"webhook_url", "api_url", "bot_token", "secret_token"},
        "metrics": set(NAMES),
        "processes": set(NAMES),
    }
    assert {name: set(written[name]) >= fields for name, fields in promised.items()} == dict.fromkeys(promised, True)
    assert all(set(entry) >= {"pid", "command", "env", "cwd"} for entry in written["processes"].values())
    assert written["ticketing_api"]["token"] == "okno_toy-token"
    assert written["kafka"]["bootstrap_servers"] == "127.0.0.1:1"


async def test_a_process_that_ends_at_the_start_is_named_with_its_log_and_nothing_is_left_running(
    make_stack: MakeStack, state: Path
) -> None:
    with pytest.raises(ProcessFailed, match=r"router-0 ended with code 3(.|\n)*SETTING is missing") as failure:
        await make_stack({"router": {"TOY": "exit"}}).start()
    assert failure.value.name == "router-0"
    assert toys(state) == []
    assert not (state / "stack.json").exists()
    assert not (state / "processes.json").exists()


async def test_a_process_that_never_gets_ready_says_why(
    make_stack: MakeStack, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "READY_SECONDS", 1.0)
    with pytest.raises(ProcessFailed, match=r"notifier-0 was not ready .*503.*the database is away"):
        await make_stack({"notifier-0": {"TOY": "unready"}}).start()
    assert toys(state) == []


async def test_a_killed_process_stays_dead_until_somebody_starts_it(make_stack: MakeStack, state: Path) -> None:
    async with make_stack() as stack:
        before = stack.process("router-0").pid
        await stack.kill("router-0")
        assert not await stack.ready("router-0")
        assert len(toys(state)) == len(NAMES) - 1
        await stack.start_process("router-0", env={"EXTRA": "1"})
        assert await stack.ready("router-0")
        after = stack.process("router-0")
        assert after.pid != before
        assert psutil.Process(after.pid).environ()["EXTRA"] == "1"


async def test_watch_reports_a_process_that_ends_by_itself_but_not_one_that_was_killed_on_purpose(
    make_stack: MakeStack,
) -> None:
    async with make_stack() as stack:
        await stack.kill("router-0")
        os.kill(stack.process("ingest-worker").pid, signal.SIGKILL)
        with pytest.raises(ProcessFailed) as failure:
            await stack.watch()
        assert failure.value.name == "ingest-worker"


async def test_a_second_start_is_refused_while_the_first_runs(make_stack: MakeStack, state: Path) -> None:
    async with make_stack() as first:
        with pytest.raises(StackError, match="up already"):
            await make_stack().start()
        assert first.process("router-0").alive()
        assert (state / "stack.json").exists()


async def test_files_of_a_stack_that_died_are_cleared_by_the_next_start(make_stack: MakeStack, state: Path) -> None:
    crashed = make_stack()
    await crashed.start()
    for process in toys(state):
        process.kill()
        process.wait()
    said = io.StringIO()
    async with make_stack(progress=Progress(said)) as second:
        assert second.process("router-0").alive()
    assert "did not end in order" in said.getvalue()


async def test_stopping_finds_a_replacement_that_a_driver_started_and_touches_nothing_else(
    make_stack: MakeStack, state: Path
) -> None:
    await make_stack().start()
    entry = json.loads((state / "stack.json").read_text())["processes"]["router-0"]
    os.kill(entry["pid"], signal.SIGKILL)
    os.waitpid(entry["pid"], 0)
    replacement = subprocess.Popen(entry["command"], env=entry["env"], cwd=entry["cwd"], stdout=subprocess.PIPE)
    assert replacement.stdout is not None
    assert replacement.stdout.readline()
    bystander = subprocess.Popen(["sleep", "600"])
    (state / "run" / "notifier-0.pid").write_text(f"{bystander.pid}\n")
    try:
        report = await stop_background(state)
        assert report is not None
        assert "router-0" in report.stopped
        assert replacement.wait(timeout=10) is not None
        assert bystander.poll() is None
        assert toys(state) == []
    finally:
        bystander.kill()
        bystander.wait()


async def test_a_process_that_ignores_the_request_to_stop_is_killed_and_reported(
    make_stack: MakeStack, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.stack.cleanup.STOP_SECONDS", 0.5)
    await make_stack({"router": {"TOY": "stubborn"}}).start()
    report = await stop_background(state)
    assert report is not None
    assert report.killed == ["router-0"]
    assert toys(state) == []


async def test_a_suspended_process_can_be_stopped(make_stack: MakeStack, state: Path) -> None:
    async with make_stack() as stack:
        stack.process("router-0").suspend()
    assert toys(state) == []


async def test_the_background_stack_is_found_again_with_its_replacements(make_stack: MakeStack, state: Path) -> None:
    started = make_stack()
    await started.start()
    attached = Stack.attached(state, progress=SILENT)
    assert attached.info == started.info
    await attached.kill("router-0")
    await attached.start_process("router-0")
    again = Stack.attached(state, progress=SILENT)
    assert again.process("router-0").pid == attached.process("router-0").pid
    assert again.process("router-0").alive()
    await again.stop()
    assert toys(state) == []


async def test_attaching_without_a_stack_says_what_to_do(state: Path) -> None:
    with pytest.raises(StackError, match="make up"):
        Stack.attached(state)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_however_the_foreground_runner_is_asked_to_end_it_stops_what_it_started(
    state: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "tests.integration.stack.foreground", str(state)]
    runner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"up\n"
    assert len(toys(state)) == len(NAMES)
    runner.send_signal(number)
    runner.wait()
    assert toys(state) == []
    assert not (state / "stack.json").exists()


async def test_a_runner_that_was_killed_is_cleaned_up_after(state: Path) -> None:
    command = [sys.executable, "-m", "tests.integration.stack.foreground", str(state)]
    runner = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert runner.stdout is not None
    assert runner.stdout.readline() == b"up\n"
    runner.kill()
    runner.wait()
    assert len(toys(state)) == len(NAMES)
    report = await stop_background(state)
    assert report is not None
    assert sorted(report.stopped) == sorted(NAMES)
    assert toys(state) == []
