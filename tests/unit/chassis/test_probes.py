"""Liveness looks at the loops only, readiness asks the checks, and both name what is wrong."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from chassis import metrics
from chassis.probes import Check, Probes


async def get(probes: Probes, path: str, *, method: str = "GET", accept: str = "*/*") -> tuple[int, str, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("probes read no body")

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"accept", accept.encode())]}
    await probes(scope, receive, send)
    start, body = sent
    return start["status"], dict(start["headers"])[b"content-type"].decode(), body["body"]


async def verdict(probes: Probes, path: str) -> tuple[int, dict[str, Any]]:
    status, content_type, body = await get(probes, path)
    assert content_type == "application/json"
    return status, json.loads(body)


async def yes() -> bool:
    return True


async def test_a_process_whose_loops_turn_is_live() -> None:
    probes = Probes()
    probes.add_liveness("consumer", lambda: 29.0, 30)
    assert await verdict(probes, "/livez") == (200, {"status": "live"})


async def test_a_stuck_loop_is_named() -> None:
    probes = Probes()
    probes.add_liveness("consumer", lambda: 1.0, 30)
    probes.add_liveness("relay", lambda: 31.26, 30)
    assert await verdict(probes, "/livez") == (
        503,
        {"status": "not live", "problems": {"relay": "last turn 31.3 s ago, limit 30 s"}},
    )


async def test_a_loop_without_an_age_is_stuck() -> None:
    def age() -> float:
        raise RuntimeError("never started")

    probes = Probes()
    probes.add_liveness("relay", age, 30)
    probes.add_liveness("consumer", lambda: float("nan"), 30)
    status, body = await verdict(probes, "/livez")
    assert status == 503
    assert body["problems"]["relay"] == "RuntimeError: never started"
    assert "consumer" in body["problems"]


async def test_liveness_never_asks_readiness_checks() -> None:
    async def away() -> bool:
        raise ConnectionError("broker away")

    probes = Probes()
    probes.add_readiness("kafka", away)
    assert (await verdict(probes, "/livez"))[0] == 200


async def test_every_kind_of_no_is_a_reason() -> None:
    async def no() -> bool:
        return False

    async def why() -> str:
        return "no partition assigned"

    async def broken() -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    async def silent() -> None:
        await asyncio.Event().wait()

    probes = Probes(check_seconds=0.01)
    checks: dict[str, Check] = {"fine": yes, "no": no, "why": why, "broken": broken, "silent": silent}
    for name, check in checks.items():
        probes.add_readiness(name, check)
    probes.add_readiness("plain", lambda: False)
    status, body = await verdict(probes, "/readyz")
    assert status == 503
    assert body == {
        "status": "not ready",
        "problems": {
            "no": "not ready",
            "plain": "not ready",
            "why": "no partition assigned",
            "broken": "ConnectionRefusedError: [Errno 111] Connection refused",
            "silent": "no answer within 0.01 s",
        },
    }


async def test_checks_that_say_yes_or_nothing_make_it_ready() -> None:
    async def nothing() -> None:
        return None

    probes = Probes()
    probes.add_readiness("database", yes)
    probes.add_readiness("kafka", nothing)
    probes.add_readiness("consumer", lambda: True)
    assert await verdict(probes, "/readyz") == (200, {"status": "ready"})


async def test_a_process_that_starts_or_stops_is_not_ready() -> None:
    probes = Probes()
    probes.state = "starting"
    assert await verdict(probes, "/readyz") == (503, {"status": "not ready", "problems": {"process": "starting"}})
    probes.state = "stopping"
    assert await verdict(probes, "/readyz") == (503, {"status": "not ready", "problems": {"process": "stopping"}})


async def test_metrics_come_in_the_format_that_is_accepted() -> None:
    probes = Probes()
    probes.add_liveness("consumer", lambda: 7.5, 30)
    metrics.dead_letters.labels("router", "data_error").inc()
    status, content_type, body = await get(probes, "/metrics")
    assert (status, content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b'okno_loop_last_turn_age_seconds{loop="consumer"} 7.5' in body
    assert b'okno_dead_letters_total{cause="data_error",consumer="router"}' in body
    status, content_type, body = await get(probes, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


async def test_other_paths_and_methods_are_refused() -> None:
    assert (await get(Probes(), "/"))[0] == 404
    assert (await get(Probes(), "/livez", method="POST"))[0] == 405


async def test_a_scrape_tells_readiness_and_the_limits_of_loops() -> None:
    probes = Probes()
    answers: list[str | bool] = [True]
    probes.add_readiness("database", lambda: answers[-1])
    probes.add_liveness("consumer", lambda: 1.0, 30)
    await get(probes, "/metrics")
    assert metrics.REGISTRY.get_sample_value("okno_process_ready") == 1
    assert metrics.REGISTRY.get_sample_value("okno_loop_limit_seconds", {"loop": "consumer"}) == 30
    answers.append("no answer")
    await get(probes, "/metrics")
    assert metrics.REGISTRY.get_sample_value("okno_process_ready") == 0
