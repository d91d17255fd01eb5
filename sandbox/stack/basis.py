"""What the processes of Okno stand on: Kafka and PostgreSQL, embedded unless KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL
name others, and a trace page when one is wanted.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from sandbox.stack import zipkin
from sandbox.stack.info import StackInfo
from sandbox.stack.kafka.probe import serves_groups
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.options import StackOptions
from sandbox.stack.plan import Addresses
from sandbox.stack.postgres.server import EmbeddedPostgres, answers
from sandbox.stack.process import Launch
from sandbox.stack.progress import Progress
from sandbox.stack.web import answers_ok

DATABASE = "okno"


@dataclass(frozen=True, slots=True)
class Server:
    """A server that the stack starts; `title` is what it is called on the screen."""

    title: str
    launch: Launch
    ready: Callable[[], Awaitable[bool]]


@dataclass(slots=True)
class Basis:
    """The servers to start, and, once they run, the addresses of all."""

    servers: list[Server] = field(default_factory=list)
    kafka: EmbeddedKafka | None = None
    postgres: EmbeddedPostgres | None = None
    zipkin_url: str | None = None

    async def addresses(self) -> Addresses:
        """The addresses; makes the embedded server's database."""
        database_url = os.environ.get("DATABASE_URL", "")
        if self.postgres is not None:
            database_url = await self.postgres.create_database(DATABASE)
        bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
        if self.kafka is not None:
            bootstrap = self.kafka.bootstrap_servers
        return Addresses(database_url, bootstrap, self.zipkin_url)


async def prepare(options: StackOptions, progress: Progress) -> Basis:
    """Download and lay out what has to be started."""
    basis = Basis()
    state = options.state

    if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        basis.kafka = EmbeddedKafka(
            state / "data" / "kafka",
            log=state / "logs" / "kafka.log",
            pid_file=state / "run" / "kafka.pid",
            progress=progress,
            behind=[(ways.kafka_listener, ways.kafka) for ways in options.ways.values()],
        )
        basis.servers.append(Server("Kafka", await basis.kafka.prepare(), basis.kafka.ready))
    if not os.environ.get("DATABASE_URL"):
        basis.postgres = EmbeddedPostgres(
            state / "data" / "postgres", log=state / "logs" / "postgres.log", pid_file=state / "run" / "postgres.pid"
        )
        with progress.step("PostgreSQL: laying out"):
            launch = await basis.postgres.prepare()
        basis.servers.append(Server("PostgreSQL", launch, basis.postgres.ready))
    if options.traces_page:
        launch, basis.zipkin_url = await zipkin.prepare(state, progress)
        url = f"{basis.zipkin_url}/health"
        basis.servers.append(Server("Zipkin", launch, lambda: answers_ok(url)))
    return basis


def readiness(name: str, info: StackInfo, ready_url: str | None) -> Callable[[], Awaitable[bool]]:
    """How to ask a process of a running stack whether it is ready."""
    match name:
        case "kafka":
            host, _, port = info.kafka.bootstrap_servers.rpartition(":")
            return lambda: serves_groups(host, int(port))
        case "postgres":
            return lambda: answers(info.postgres.dsn)
        case "zipkin":
            return lambda: answers_ok(f"{info.zipkin_url}/health")
        case _:
            return lambda: answers_ok(ready_url or "")
