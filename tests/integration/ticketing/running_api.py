"""The API as it runs in production, asked over TCP, for tests that take turns at one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import psutil

from chassis import compared
from chassis.clock import ManualClock
from chassis.database import Database
from chassis.migrations import migrate
from contracts.codec import encode
from sandbox.stack.environment import base_environment
from sandbox.stack.ports import free_port
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.ticketing import tokens
from services.ticketing.api.app import create_app
from services.ticketing.bootstrap import MIGRATIONS, SCHEMA
from services.ticketing.tokens import Scope
from tests.conftest import run_aside
from tests.integration.ticketing.desk import NOW, Desk, place_message, slack_place
from tests.integration.ticketing.processes import ROOT
from tests.integration.ticketing.test_dead_letters import dead_record, project

PATIENCE = 60.0


@dataclass(frozen=True)
class Api:
    """The process, and what there is: `known` are values of path parameters."""

    url: str
    headers: dict[str, str]
    http: httpx.Client
    known: dict[str, str]
    process: psutil.Process

    def memory(self) -> int:
        return int(self.process.memory_info().rss)


@contextmanager
def running_api(postgres: EmbeddedPostgres) -> Iterator[Api]:
    """With a ticket, a reply, an agent and a dead letter."""
    name = f"api_{uuid.uuid4().hex[:8]}"
    dsn = run_aside(lambda: postgres.create_database(name))
    token, known = run_aside(lambda: _prepare(dsn))
    port = free_port()
    env = {**base_environment(), "DATABASE_URL": dsn, "HTTP_PORT": str(port), "PROBE_PORT": "0"}
    command = [sys.executable, "-m", "cli.run", "ticketing-api"]
    url = f"http://127.0.0.1:{port}"
    headers = {"Authorization": f"Bearer {token}"}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log) as process,
        httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as http,
    ):
        try:
            _answers(process, http)
            yield Api(url, headers, http, known, psutil.Process(process.pid))
        finally:
            process.kill()
    run_aside(lambda: postgres.drop_database(name))


def _answers(process: subprocess.Popen[bytes], http: httpx.Client) -> None:
    while True:
        try:
            assert http.get("/v1/me").status_code == 200
        except httpx.TransportError:
            assert process.poll() is None, "the API ended"
            time.sleep(0.05)
        else:
            return


async def _prepare(dsn: str) -> tuple[str, dict[str, str]]:
    await migrate(dsn, schema=SCHEMA, folders=MIGRATIONS)
    database = await Database.connect(dsn, schema=SCHEMA, process="test", max_size=4)
    clock = ManualClock(NOW)
    async with database.transaction() as connection:
        await compared.mark(connection, await compared.this_database(connection))
        token = (await tokens.create(connection, "tests", scope=Scope.ADMIN)).token
    app = create_app(database, clock)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://okno", headers=headers) as client:
        desk = Desk(database, clock, client)
        ticket = (await desk.opened())["id"]
        reply = (await desk.reply(ticket))["id"]
        agent = (await desk.agent("Ann", "slack:U9"))["id"]
        said = encode(place_message(slack_place("C2")), source="test", time=NOW)
        await project(desk, clock, dead_record(said.value, said.headers, key=said.key))
        (letter,) = await desk.all("/dead-letters")
    await database.close()
    return token, {"ticket": ticket, "reply": reply, "agent": agent, "dead_letter": letter["id"]}
