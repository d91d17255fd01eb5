"""A process with a wrong configuration refuses to start, with one message that names the setting and an example."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping

from sandbox.stack.environment import base_environment
from sandbox.stack.paths import ROOT

NEEDED = {
    "ingest-slack": ["KAFKA_BOOTSTRAP_SERVERS"],
    "ingest-telegram": ["KAFKA_BOOTSTRAP_SERVERS", "TELEGRAM_BOT_TOKEN"],
    "ingest-worker": ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"],
    "router": ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"],
    "ticketing-api": ["DATABASE_URL"],
    "ticketing-worker": ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"],
    "notifier": ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS"],
}
FINE = {
    "DATABASE_URL": "postgresql://okno:secret-word@127.0.0.1:1/okno",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    "TELEGRAM_BOT_TOKEN": "7700:secret-word",
    "TELEGRAM_SECRET_TOKEN": "secret-word",
    "SLACK_SIGNING_SECRET": "secret-word",
    "PROBE_PORT": "0",
}
WRONG = [
    ("router", "DATABASE_URL", "mysql://okno:secret-word@127.0.0.1/okno"),
    ("router", "KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1"),
    ("router", "ROUTER_MODE", "guess"),
    ("router", "PROCESS_NAME", "Router 0"),
    ("ingest-slack", "SLACK_SIGNING_SECRET", ""),
    ("ingest-slack", "HTTP_PORT", "eighty"),
    ("ingest-telegram", "TELEGRAM_BOT_TOKEN", "secret-word"),
    ("ingest-telegram", "TELEGRAM_TRANSPORT", "pigeon"),
    ("ticketing-api", "TRACE_SAMPLE_RATIO", "10%"),
    ("ticketing-worker", "DRAIN_SECONDS", "-1"),
    ("notifier", "SLACK_TIMEOUT_SECONDS", "0"),
    ("notifier", "FAULT_POINTS", "notifier.posted=kill"),
]


async def _run(kind: str, env: Mapping[str, str]) -> tuple[int | None, str]:
    """Exit code and all output of `okno run <kind>`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", "run", kind, cwd=ROOT, env={**base_environment(), **env},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, output.decode()


def _assert_one_message(output: str, names: list[str]) -> None:
    assert output.count("Okno can't start") == 1
    assert "Traceback" not in output
    assert "secret-word" not in output
    for name in names:
        assert f"  {name} " in output
        assert f"Example: {name}=" in output


async def _all(runs: Iterable[tuple[str, Mapping[str, str]]]) -> list[tuple[int | None, str]]:
    """Exit codes and outputs of several processes, a few at once."""
    gate = asyncio.Semaphore(4)

    async def one(kind: str, env: Mapping[str, str]) -> tuple[int | None, str]:
        async with gate:
            return await _run(kind, env)

    return await asyncio.gather(*(one(kind, env) for kind, env in runs))


async def test_without_any_setting_each_process_names_all_that_is_missing_at_once() -> None:
    for (code, output), names in zip(await _all((kind, {}) for kind in NEEDED), NEEDED.values(), strict=True):
        assert code == 2, output
        _assert_one_message(output, names)


async def test_each_wrong_setting_is_named_with_an_example() -> None:
    answers = await _all((kind, {**FINE, name: value}) for kind, name, value in WRONG)
    for (code, output), (_, name, _) in zip(answers, WRONG, strict=True):
        assert code == 2, output
        _assert_one_message(output, ["FAULT_DIRECTORY" if name == "FAULT_POINTS" else name])
