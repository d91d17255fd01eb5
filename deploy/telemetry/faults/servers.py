"""Faults of Kafka and PostgreSQL, and in PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from deploy.telemetry.faults.fault import Scene, beside
from sandbox.scenarios.clients import Refused

AT_ONCE = 16
"""Requests that need a connection: twice as many as the API's pool has."""


@asynccontextmanager
async def no_kafka(scene: Scene) -> AsyncIterator[None]:
    async with _away(scene, "kafka"):
        yield


@asynccontextmanager
async def no_postgres(scene: Scene) -> AsyncIterator[None]:
    async with _away(scene, "postgres"):
        yield


@asynccontextmanager
async def _away(scene: Scene, server: str) -> AsyncIterator[None]:
    await scene.stack.kill(server)
    yield
    await scene.stack.start_process(server)
    with contextlib.suppress(Exception):  # those that gave up meanwhile; who doesn't come back keeps an alert firing
        await scene.stack.revive()


@asynccontextmanager
async def lease_of_nobody(scene: Scene) -> AsyncIterator[None]:
    connection = await asyncpg.connect(scene.database)
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
async def table_locked(scene: Scene) -> AsyncIterator[None]:
    """Somebody locks the tickets for a second at a time while more agents write notes than the pool has connections."""
    async with beside(_lock(scene)):
        yield


async def _lock(scene: Scene) -> None:
    ticket = (await scene.clients.api("GET", "/tickets?limit=1"))["items"][0]["id"]

    async def note() -> None:
        with contextlib.suppress(Refused):
            await scene.clients.api("POST", f"/tickets/{ticket}/notes", {"text": "looked at it"})

    connection = await asyncpg.connect(scene.database)
    try:
        while True:
            async with asyncio.TaskGroup() as notes, connection.transaction():
                await connection.execute("LOCK TABLE ticketing.tickets IN ACCESS EXCLUSIVE MODE")
                for _ in range(AT_ONCE):
                    notes.create_task(note())
                await asyncio.sleep(1)
    finally:
        await connection.close()
