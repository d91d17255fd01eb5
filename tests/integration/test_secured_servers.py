"""All of Okno with certificates both ways and no more rights in Kafka than the chart gives each service: a broker that
takes only clients with certificates and authorizes them, a PostgreSQL behind a door that asks for one too.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import orjson
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.protocol.admin import CreateAclsRequest

from chassis.kafka import make_producer
from chassis.migrations import migrate
from chassis.settings import KafkaSettings, read
from chassis.topics_admin import apply
from cli.chart import OPERATORS, access
from cli.processes import KINDS, ROOT, SERVICES, migration_folders
from sandbox.slack.transport import signature
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.ports import free_port
from sandbox.stack.process import Launch
from tests.conftest import run_aside, server_folder

SECONDS = 60.0
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
PROCESSES = ("ingest-slack", "ingest-worker", "router", "ticketing-worker", "notifier")

# Kafka's codes ("AclOperation", "ResourceType", "PatternType", "AclPermissionType" in its Java client)
OPERATIONS = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
LITERAL, ALLOW = 3, 3


class Certificates:
    """A certificate authority of our own, and what it signed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = folder / "ca.crt"
        self._openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=authority",
            "-keyout", "ca.key", "-out", "ca.crt",
        )  # fmt: skip
        (folder / "server.cnf").write_text("subjectAltName=IP:127.0.0.1\n")

    def signed(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of `name`; those of a server are good for 127.0.0.1."""
        certificate, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if not certificate.exists():
            self._openssl(
                "req",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                f"/CN={name}",
                "-keyout",
                key.name,
                "-out",
                f"{name}.csr",
            )
            self._openssl(
                "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-extfile", "server.cnf", "-out", certificate.name,
            )  # fmt: skip
        return certificate, key

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


class GuardedKafka(EmbeddedKafka):
    """A broker with a second listener: certificates both ways, and rights. The first one is the superuser's."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        super().__init__(folder)
        self._certificates = certificates
        self._guarded = free_port()

    @property
    def guarded(self) -> str:
        return f"127.0.0.1:{self._guarded}"

    def _prepare(self) -> Launch:
        launch = super()._prepare()
        file = self.folder / "server.properties"
        lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
        certificate, key = self._certificates.signed("broker")
        pair = self.folder / "broker.pem"
        pair.write_text(key.read_text() + certificate.read_text())
        lines["listeners"] += f",GUARDED://{self.guarded}"
        lines["advertised.listeners"] += f",GUARDED://{self.guarded}"
        lines["listener.security.protocol.map"] += ",GUARDED:SSL"
        lines |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
            "listener.name.guarded.ssl.keystore.type": "PEM",
            "listener.name.guarded.ssl.keystore.location": str(pair),
            "listener.name.guarded.ssl.truststore.type": "PEM",
            "listener.name.guarded.ssl.truststore.location": str(self._certificates.authority),
            "listener.name.guarded.ssl.client.auth": "required",
            "listener.name.guarded.ssl.principal.mapping.rules": "RULE:^CN=(.*?)$/$1/",
        }
        file.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        return launch

    async def grant(self) -> None:
        """What the chart's KafkaUsers say."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers)
        await admin.start()
        try:
            for user in (*SERVICES, OPERATORS):
                for kind, resources in access(user).items():
                    for name, operations in resources.items():
                        for operation in operations:
                            request = CreateAclsRequest(
                                RESOURCES[kind], name, LITERAL, f"User:{user}", "*", OPERATIONS[operation], ALLOW
                            )
                            answer = await admin._send_request(request)
                            assert [code for code, _ in answer.creation_responses] == [0], answer
        finally:
            await admin.close()


@pytest.fixture(scope="module")
def certificates() -> Iterator[Certificates]:
    with server_folder("certificates") as folder:
        yield Certificates(folder)


@pytest.fixture(scope="module")
def guarded_kafka(certificates: Certificates) -> Iterator[GuardedKafka]:
    with server_folder("guarded-kafka") as folder:
        server = GuardedKafka(folder, certificates)

        async def begin() -> None:
            await server.start()
            await apply(KafkaSettings(kafka_bootstrap_servers=server.bootstrap_servers))
            await server.grant()

        run_aside(begin)
        yield server
        run_aside(server.kill)


@asynccontextmanager
async def tls_door(dsn: str, certificates: Certificates) -> AsyncIterator[str]:
    """A DSN of the same database, through a door that speaks PostgreSQL's TLS and wants a client's certificate: the
    embedded server is built without TLS.
    """
    parts = urlsplit(dsn)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificates.authority))
    context.load_cert_chain(*certificates.signed("postgres"))
    context.verify_mode = ssl.CERT_REQUIRED

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof() if writer.can_write_eof() else writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # SSLRequest of the protocol: its length, 8, and a number no version has
        if await reader.read(8) != b"\x00\x00\x00\x08\x04\xd2\x16\x2f":
            writer.close()
            return
        writer.write(b"S")
        with contextlib.suppress(OSError):
            await writer.start_tls(context)
            inner_reader, inner_writer = await asyncio.open_connection(parts.hostname, parts.port)
            await asyncio.gather(carry(reader, inner_writer), carry(inner_reader, writer))
            inner_writer.close()
        writer.close()

    server = await asyncio.start_server(enter, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield dsn.replace(f":{parts.port}/", f":{port}/")
    finally:
        server.close()


def kafka_environment(kafka: GuardedKafka, certificates: Certificates, user: str) -> dict[str, str]:
    certificate, key = certificates.signed(user)
    return {
        "KAFKA_BOOTSTRAP_SERVERS": kafka.guarded,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_SSL_CAFILE": str(certificates.authority),
        "KAFKA_SSL_CERTFILE": str(certificate),
        "KAFKA_SSL_KEYFILE": str(key),
    }


def postgres_environment(dsn: str, certificates: Certificates, user: str) -> dict[str, str]:
    certificate, key = certificates.signed(user)
    return {
        "DATABASE_URL": dsn,
        "PGSSLMODE": "verify-full",
        "PGSSLROOTCERT": str(certificates.authority),
        "PGSSLCERT": str(certificate),
        "PGSSLKEY": str(key),
    }


@asynccontextmanager
async def running(process: str, environment: dict[str, str]) -> AsyncIterator[str]:
    """A process of Okno, ready; the URL of its HTTP surface."""
    http, probe = free_port(), free_port()
    given = {"PATH": os.environ["PATH"], "HTTP_PORT": str(http), "PROBE_PORT": str(probe), **environment}
    command = [sys.executable, "-m", "cli", "run", process]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=given)
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(SECONDS):
            while not await _is_ready(session, f"http://127.0.0.1:{probe}/readyz"):
                assert child.returncode is None, f"{process} ended with {child.returncode}"
                await asyncio.sleep(0.1)
        yield f"http://127.0.0.1:{http}"
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def _until(connection: asyncpg.Connection[asyncpg.Record], query: str) -> asyncpg.Record:
    async with asyncio.timeout(SECONDS):
        while (row := await connection.fetchrow(query)) is None:
            await asyncio.sleep(0.1)
    return row


async def test_a_message_becomes_a_ticket_and_a_poison_record_a_dead_letter_with_the_charts_rights(
    guarded_kafka: GuardedKafka, certificates: Certificates, database_url: str
) -> None:
    for service in SERVICES:
        await migrate(database_url, schema=service, folders=migration_folders(service))
    async with contextlib.AsyncExitStack() as stack:
        dsn = await stack.enter_async_context(tls_door(database_url, certificates))
        urls = {}
        for process in PROCESSES:
            service = KINDS[process].module.split(".")[1]
            environment = kafka_environment(guarded_kafka, certificates, service)
            environment |= postgres_environment(dsn, certificates, service) | {"SLACK_SIGNING_SECRET": SIGNING_SECRET}
            urls[process] = await stack.enter_async_context(running(process, environment))
        connection = await asyncpg.connect(database_url)
        stack.push_async_callback(connection.close)

        ts = f"{time.time():.6f}"
        event = {
            "type": "message", "channel": "C1", "channel_type": "channel", "user": "U1", "text": "It is broken.",
            "ts": ts, "event_ts": ts,
        }  # fmt: skip
        body = orjson.dumps({
            "type": "event_callback", "team_id": "T1", "api_app_id": "A1", "event_id": "Ev1",
            "event_time": int(float(ts)), "event": event, "authorizations": [],
        })  # fmt: skip
        now = str(int(time.time()))
        headers = {"x-slack-request-timestamp": now, "x-slack-signature": signature(SIGNING_SECRET, now, body)}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{urls['ingest-slack']}/slack/events", data=body, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
        await _until(connection, "SELECT FROM ticketing.tickets")

        producer = make_producer(KafkaSettings(kafka_bootstrap_servers=guarded_kafka.bootstrap_servers))
        await producer.start()
        stack.push_async_callback(producer.stop)
        for topic in ("chat.events.v1", "ticket.commands.v1", "chat.replies.v1"):
            await producer.send_and_wait(topic, b"no record of ours", key=b"slack:C1")
        query = "SELECT FROM ticketing.dead_letters WHERE topic = '{}' HAVING count(*) >= {}"
        # Both the router and ingest's worker put aside what is wrong with an event.
        for topic, readers in (("chat.events.v1", 2), ("ticket.commands.v1", 1), ("chat.replies.v1", 1)):
            await _until(connection, query.format(topic, readers))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("topics", "check", "--replicas", "1"), "All topics are as the registry wants them."),
        (("doctor",), "topics: as the registry wants them"),
        (("restore",), "notifier"),
        (("positions", "accept", "router", "router", "chat.events.v1", "0", "0"), "router goes on with chat.events.v1"),
        (("dead-letters", "reload"), "dead letters are on their topics"),
        (("backfill", "slack", "--channel", "C1", "--since", "1h"), "ingest-worker reads slack:C1"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else "",
)
async def test_operators_commands_need_no_more_than_the_charts_rights(
    guarded_kafka: GuardedKafka, certificates: Certificates, database_url: str, command: tuple[str, ...], said: str
) -> None:
    for service in SERVICES:
        await migrate(database_url, schema=service, folders=migration_folders(service))
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url}
    environment |= kafka_environment(guarded_kafka, certificates, OPERATORS)
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "cli",
        *command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    async with asyncio.timeout(SECONDS):
        output, _ = await child.communicate()
    assert child.returncode == 0, output.decode()
    assert said in output.decode()


async def test_a_service_may_not_write_what_is_anothers(
    guarded_kafka: GuardedKafka, certificates: Certificates
) -> None:
    settings = read(KafkaSettings, kafka_environment(guarded_kafka, certificates, "router"))
    producer = make_producer(settings)
    await producer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait("chat.events.v1", b"{}", key=b"slack:C1")
    finally:
        await producer.stop()


async def test_without_a_certificate_nobody_is_let_in(
    guarded_kafka: GuardedKafka, certificates: Certificates, database_url: str
) -> None:
    environment = kafka_environment(guarded_kafka, certificates, "router")
    del environment["KAFKA_SSL_CERTFILE"], environment["KAFKA_SSL_KEYFILE"]
    producer = make_producer(read(KafkaSettings, environment))
    with pytest.raises(Exception, match=r"Unable to bootstrap|SSL"):
        await producer.start()
    await producer.stop()
    async with tls_door(database_url, certificates) as dsn:
        context = ssl.create_default_context(cafile=str(certificates.authority))
        with pytest.raises((OSError, asyncpg.PostgresError)):
            await asyncpg.connect(dsn, ssl=context)
