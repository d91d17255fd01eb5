"""Faults of the running stack, each with the alerts that it must make fire. Begun, kept up until they do, ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx

from chassis.kafka import make_producer
from chassis.settings import KafkaSettings
from sandbox.scenarios.clients import Clients
from sandbox.stack.stack import Stack


@dataclass(frozen=True, slots=True)
class Fault:
    """`alerts` fire while it lasts; `after` fire only when it has ended, since late events count when they arrive.
    `least`: seconds that it lasts at least.
    """

    says: str
    alerts: frozenset[str]
    cause: Callable[[], AbstractAsyncContextManager[None]]
    after: frozenset[str] = frozenset()
    least: float = 0.0


def held_points(folder: Path) -> dict[str, dict[str, str]]:
    """Settings by process that make the points waitable that `Faults` holds."""
    points = {"router-0": "router.polled", "ticketing-worker-0": "relay.taken"}
    return {
        process: {"FAULT_POINTS": f"{point}=file:{folder / point}", "FAULT_DIRECTORY": str(folder)}
        for process, point in points.items()
    }


class Faults:
    """All of them, in an order in which none disturbs the next for long."""

    def __init__(self, stack: Stack, clients: Clients, http: httpx.AsyncClient, folder: Path) -> None:
        self._stack = stack
        self._clients = clients
        self._http = http
        self._folder = folder

    def all(self) -> list[Fault]:
        return [
            Fault("a stranger posts to the webhook", frozenset({"OknoSignatureFailures"}), self._stranger),
            Fault("a record that is no JSON", frozenset({"OknoDeadLettersWait"}), self._poison),
            Fault("the lease in the hand of nobody who lives", frozenset({"OknoRelayLeaseUnheld"}), self._lease),
            Fault(
                "the router waits with a batch in hand",
                frozenset({"OknoConsumerLags"}),
                lambda: self._held("router.polled"),
                after=frozenset({"OknoTicketsLate"}),
            ),
            Fault(
                "the relay waits with rows in hand",
                frozenset({"OknoOutboxWaits"}),
                lambda: self._held("relay.taken"),
                after=frozenset({"OknoRepliesLate"}),
                least=45,
            ),
            Fault("Slack revokes the token", frozenset({"OknoDeliveriesFail"}), self._revoked),
            Fault("Telegram cuts its answers off", frozenset({"OknoDeliveriesUnknown"}), self._cut_off),
            Fault(
                "Telegram answers 429 to everything",
                frozenset({"OknoPlatformUnreachable", "OknoTransportDown", "OknoDeliveriesWait"}),
                self._telegram_away,
            ),
            Fault("the collector is away", frozenset({"OknoSpansLost"}), self._no_collector),
            Fault("a process gets no CPU", frozenset({"OknoEventLoopBlocked"}), self._starved),
            Fault("the router is killed", frozenset({"OknoProcessDown", "OknoProcessMissing"}), self._no_router),
            Fault("a process starts again and again", frozenset({"OknoProcessRestarts"}), self._restarts),
            Fault("Kafka is stopped", frozenset({"OknoWebhooksRefused"}), lambda: self._away("kafka")),
            Fault(
                "PostgreSQL is stopped",
                frozenset({"OknoApiFails", "OknoProcessNotReady", "OknoConsumerRetries"}),
                lambda: self._away("postgres"),
            ),
        ]

    @asynccontextmanager
    async def _stranger(self) -> AsyncIterator[None]:
        headers = {"x-slack-signature": "v0=0", "x-slack-request-timestamp": str(int(time.time()))}
        for _ in range(60):
            await self._http.post(self._stack.info.slack.events_url, content=b"{}", headers=headers)
            await asyncio.sleep(0.05)
        yield

    @asynccontextmanager
    async def _poison(self) -> AsyncIterator[None]:
        settings = KafkaSettings(kafka_bootstrap_servers=self._stack.info.kafka.bootstrap_servers)
        producer = make_producer(settings)
        await producer.start()
        try:
            await producer.send_and_wait("chat.events.v1", b"not json", key=b"slack:C0POISON")
        finally:
            await producer.stop()
        yield
        for letter in (await self._clients.api("GET", "/dead-letters?state=waiting"))["items"]:
            await self._clients.api("POST", f"/dead-letters/{letter['id']}/discard", {"reason": "made to be discarded"})

    @asynccontextmanager
    async def _lease(self) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self._stack.info.postgres.dsn)
        try:
            await connection.execute(
                "UPDATE ticketing.leases SET holder = 'nobody', token = token + 1, expires_at = now() + '1 hour' "
                "WHERE name = 'relay'"
            )
            yield
            await connection.execute("UPDATE ticketing.leases SET expires_at = now() WHERE name = 'relay'")
        finally:
            await connection.close()

    @asynccontextmanager
    async def _held(self, point: str) -> AsyncIterator[None]:
        go_on = self._folder / f"{point}.go"
        go_on.unlink(missing_ok=True)
        (self._folder / point).write_text(f"hold:{go_on}")
        yield
        (self._folder / point).unlink(missing_ok=True)
        go_on.touch()

    @asynccontextmanager
    async def _revoked(self) -> AsyncIterator[None]:
        fault = {"target": "chat.postMessage", "kind": "api_error", "error": "token_revoked"}
        await self._clients.slack("POST", "/faults", fault)
        yield
        await self._clients.slack("DELETE", "/faults")

    @asynccontextmanager
    async def _cut_off(self) -> AsyncIterator[None]:
        await self._clients.telegram("POST", "/faults", {"target": "sendMessage", "kind": "drop"})
        yield
        await self._clients.telegram("DELETE", "/faults")

    @asynccontextmanager
    async def _telegram_away(self) -> AsyncIterator[None]:
        await self._clients.telegram("POST", "/faults", {"target": "*", "kind": "429", "retry_after": 1})
        yield
        await self._clients.telegram("DELETE", "/faults")

    @asynccontextmanager
    async def _no_collector(self) -> AsyncIterator[None]:
        env = self._stack.process("ingest-slack").launch.env
        broken = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "TRACE_SAMPLE_RATIO": "1"}
        await self._stack.restart("ingest-slack", env=broken)
        yield
        await self._stack.restart("ingest-slack", env={name: env.get(name, "") for name in broken})

    @asynccontextmanager
    async def _starved(self) -> AsyncIterator[None]:
        async def starve() -> None:
            process = self._stack.process("ingest-worker")
            try:
                while True:
                    process.suspend()
                    await asyncio.sleep(1.2)
                    process.resume()
                    await asyncio.sleep(0.4)
            finally:
                process.resume()

        task = asyncio.create_task(starve())
        yield
        task.cancel()
        await asyncio.wait([task])

    @asynccontextmanager
    async def _no_router(self) -> AsyncIterator[None]:
        await self._stack.kill("router-0")
        yield
        await self._stack.start_process("router-0")

    @asynccontextmanager
    async def _restarts(self) -> AsyncIterator[None]:
        for _ in range(5):
            await self._stack.kill("ingest-worker")
            await self._stack.start_process("ingest-worker")
            await asyncio.sleep(2)
        yield

    @asynccontextmanager
    async def _away(self, server: str) -> AsyncIterator[None]:
        await self._stack.kill(server)
        yield
        await self._stack.start_process(server)
        with contextlib.suppress(
            Exception
        ):  # those that gave up meanwhile; who doesn't come back keeps an alert firing
            await self._stack.revive()
