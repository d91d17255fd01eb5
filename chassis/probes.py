"""/livez says whether this process still turns, /readyz whether it can work now; the first never asks a broker.

A process that isn't live is restarted, so liveness is only the age of its loops' last turns: a restart heals a stuck
loop, and no restart heals an absent Kafka. A process that isn't ready is spared; its checks may ask others, each
within a second. /metrics tells readiness too, so that it is watched where nobody else asks; it is Prometheus text, or
OpenMetrics for those who accept it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal

import orjson
from prometheus_client.exposition import choose_encoder

from chassis import metrics
from chassis.error_text import describe

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]

Answer = bool | str | None
Check = Callable[[], Answer | Awaitable[Answer]]
"""A readiness check, plain or async: True or None means ready, False or a reason not; an exception is a reason too."""

CHECK_SECONDS = 1.0


class Probes:
    """The ASGI app of a process's probes, and the registry of what they look at."""

    def __init__(self, *, check_seconds: float = CHECK_SECONDS) -> None:
        self._loops: dict[str, tuple[Callable[[], float], float]] = {}
        self._checks: dict[str, Check] = {}
        self._check_seconds = check_seconds
        self.state: Literal["starting", "running", "stopping"] = "running"
        self.waits_for: str | None = None
        """What keeps the process from starting."""

    def add_liveness(self, name: str, age: Callable[[], float], limit: float) -> None:
        """Watch a loop: not live when `age()` (seconds since its last turn) exceeds `limit`."""
        self._loops[name] = (age, limit)
        metrics.loop_limit.labels(name).set(limit)
        metrics.loop_age.labels(name).set_function(lambda: _age_or_nan(age))

    def add_readiness(self, name: str, check: Check) -> None:
        """Ask `check` whenever somebody asks for readiness."""
        self._checks[name] = check

    def forget(self) -> None:
        """Nothing is watched any more: the process is set up anew."""
        for name in self._loops:
            metrics.loop_limit.remove(name)
            metrics.loop_age.remove(name)
        self._loops.clear()
        self._checks.clear()

    def stuck(self) -> dict[str, str]:
        """The loops that are not live, and why."""
        found = {}
        for name, (age, limit) in self._loops.items():
            try:
                seconds = age()
            except Exception as error:  # noqa: BLE001  whatever it is, the loop's age is unknown
                found[name] = describe(error)
                continue
            if not seconds <= limit:
                found[name] = f"last turn {seconds:.1f} s ago, limit {limit:g} s"
        return found

    async def unready(self) -> dict[str, str]:
        """The checks that say no, and why. All are asked at once."""
        if self.state != "running":
            waits = self.state == "starting" and self.waits_for is not None
            return {"process": f"{self.state}, waits: {self.waits_for}" if waits else self.state}
        reasons = await asyncio.gather(*(self._ask(check) for check in self._checks.values()))
        return {name: reason for name, reason in zip(self._checks, reasons, strict=True) if reason is not None}

    async def _ask(self, check: Check) -> str | None:
        try:
            answer = check()
            if isinstance(answer, Awaitable):
                answer = await asyncio.wait_for(answer, self._check_seconds)
        except TimeoutError:
            return f"no answer within {self._check_seconds:g} s"
        except Exception as error:  # noqa: BLE001  an unforeseen error is a reason not to be ready
            return describe(error)
        if answer is True or answer is None:
            return None
        return answer or "not ready"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Answer one HTTP request."""
        if scope["type"] != "http":
            return
        if scope["method"] not in {"GET", "HEAD"}:
            await _answer(send, 405, b'{"error":"use GET"}')
        elif scope["path"] == "/livez":
            await _verdict(send, "live", self.stuck())
        elif scope["path"] == "/readyz":
            await _verdict(send, "ready", await self.unready())
        elif scope["path"] == "/metrics":
            metrics.process_ready.set(0 if await self.unready() else 1)
            accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
            encode, content_type = choose_encoder(accepted)
            await _answer(send, 200, encode(metrics.REGISTRY), content_type)
        else:
            await _answer(send, 404, b'{"error":"there are /livez, /readyz and /metrics"}')


def _age_or_nan(age: Callable[[], float]) -> float:
    """One broken loop must not take the whole metrics page away."""
    try:
        return age()
    except Exception:  # noqa: BLE001  /livez tells the error
        return math.nan


async def _verdict(send: Send, word: str, problems: dict[str, str]) -> None:
    body = orjson.dumps({"status": f"not {word}", "problems": problems} if problems else {"status": word})
    await _answer(send, 503 if problems else 200, body)


async def _answer(send: Send, status: int, body: bytes, content_type: str = "application/json") -> None:
    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
