"""One embedded Kafka and one embedded PostgreSQL per test session; every test gets a database and topics of its own.

Tests may kill and restart both, and any process of the running stack: what is down after a test is started again."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import hypothesis
import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from chassis.settings import KafkaSettings
from chassis.topics_admin import WantedTopic, check, create, wanted_topics
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from sandbox.stack.progress import Progress
from tests import group_members, topic_reader

hypothesis.settings.register_profile(
    "okno", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)  # no test depends on how busy the machine is
hypothesis.settings.load_profile("okno")

T = TypeVar("T")
_numbers = itertools.count(1)


class MakeTopic(Protocol):
    """`await topic(partitions=3)` creates a topic with a name of its own and returns the name."""

    async def __call__(self, name: str = ..., *, partitions: int = ..., config: dict[str, str] | None = ...) -> str: ...


def run_aside(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end outside the test's event loop (session fixtures outlive those loops)."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they live in."""
    for item in items:
        for folder in ("unit", "contract", "integration", "end_to_end"):
            if folder in Path(item.path).parts:
                item.add_marker(folder)


@contextmanager
def server_folder(name: str) -> Iterator[Path]:
    """A folder for a server's data, not under pytest's own: another session beside this one cleans up and locks there,
    which shuts out a PostgreSQL that runs as another user.
    """
    with tempfile.TemporaryDirectory(prefix=f"okno-{name}-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def kafka() -> Iterator[EmbeddedKafka]:
    """The session's broker: `bootstrap_servers`, `await kafka.stop()/kill()/start()/restart()` (same port and data)."""
    with server_folder("kafka") as folder:
        server = EmbeddedKafka(folder, progress=Progress())
        run_aside(server.start)
        yield server
        run_aside(server.kill)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The session's server: `dsn`, `await postgres.stop()/kill()/start()/restart()` (same port and data)."""
    with server_folder("postgres") as folder:
        server = EmbeddedPostgres(folder)
        run_aside(server.start)
        yield server
        run_aside(server.stop)


@pytest.fixture(autouse=True)
def _revive(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that fails between killing and starting a server must not fail the tests after it."""
    yield
    for name in {"kafka", "postgres"} & set(request.fixturenames):
        run_aside(request.getfixturevalue(name).start)
    if "stack" in request.fixturenames:
        run_aside(request.getfixturevalue("stack").revive)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """The DSN of an empty database of the test's own, dropped afterwards."""
    name = f"test_{next(_numbers)}_{uuid.uuid4().hex[:6]}"
    yield run_aside(lambda: postgres.create_database(name))
    run_aside(postgres.start)
    run_aside(lambda: postgres.drop_database(name))


@pytest.fixture
async def kafka_admin(kafka: EmbeddedKafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """An admin client of the session's broker."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    yield admin
    await admin.close()


@pytest.fixture
async def no_topics(kafka_admin: AIOKafkaAdminClient) -> None:
    """The registry's topics don't exist when the test starts."""
    await _delete(kafka_admin, {wanted.name for wanted in wanted_topics(replicas=1)})


@pytest.fixture
async def registry_topics(kafka: EmbeddedKafka, kafka_admin: AIOKafkaAdminClient) -> None:
    """The registry's topics and their dead letters exist and are empty, from offset 0, when the test starts, and nobody
    is in a group.

    Topics that nobody wrote to stay: making hundreds of partitions takes the broker a second, and more until it leads
    them all.
    """
    await group_members.dismiss(kafka.bootstrap_servers)
    wanted = {one.name: one for one in wanted_topics(replicas=1)}
    differing = {one.topic for one in await check(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers))}
    as_wanted = [TopicPartition(name, n) for name in wanted.keys() - differing for n in range(wanted[name].partitions)]
    ends = await topic_reader.ends(kafka.bootstrap_servers, as_wanted) if as_wanted else {}
    renewed = differing | {tp.topic for tp, end in ends.items() if end}
    await _delete(kafka_admin, renewed)
    await create(kafka_admin, [wanted[name] for name in sorted(renewed)])


async def _delete(admin: AIOKafkaAdminClient, names: AbstractSet[str]) -> None:
    while existing := names & set(await admin.list_topics()):
        await admin.delete_topics(sorted(existing))


@pytest.fixture
async def topic(kafka_admin: AIOKafkaAdminClient) -> MakeTopic:
    """Create topics with names of the test's own: `name = await topic(partitions=3)`, or with a readable stem."""

    async def make(name: str = "topic", *, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        unique = f"{name}.{uuid.uuid4().hex[:8]}"
        await create(kafka_admin, [WantedTopic(unique, partitions, config or {})])
        return unique

    return make
