"""The embedded servers keep what they were given through stop, kill and start."""

from __future__ import annotations

import os
import signal
import subprocess

import asyncpg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import TopicPartition

from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres import lock
from sandbox.stack.postgres.server import EmbeddedPostgres
from tests.conftest import MakeTopic


async def _read(kafka: EmbeddedKafka, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def _write(kafka: EmbeddedKafka, topic: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def test_kafka_keeps_records_port_and_cluster_through_kill_and_restart(
    kafka: EmbeddedKafka, topic: MakeTopic
) -> None:
    name = await topic()
    address = kafka.bootstrap_servers
    await _write(kafka, name, b"before the kill")
    first = kafka.process
    assert first is not None
    await kafka.kill()
    assert not first.alive()
    await kafka.start()
    await _write(kafka, name, b"after the kill")
    await kafka.restart()
    assert kafka.bootstrap_servers == address
    assert await _read(kafka, name, 2) == [b"before the kill", b"after the kill"]


async def test_postgres_keeps_committed_rows_and_its_port_through_kill_and_restart(
    postgres: EmbeddedPostgres, database_url: str
) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute("CREATE TABLE kept (number integer)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    await postgres.kill()
    await postgres.start()
    connection = await asyncpg.connect(database_url)
    await connection.execute("INSERT INTO kept VALUES (2)")
    await postgres.restart()
    connection = await asyncpg.connect(database_url)
    assert [row["number"] for row in await connection.fetch("SELECT number FROM kept ORDER BY 1")] == [1, 2]
    await connection.close()


async def test_postgres_is_durable_and_takes_two_hundred_connections(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.dsn)
    settings = ("fsync", "synchronous_commit", "full_page_writes", "max_connections")
    shown = [await connection.fetchval(f"SHOW {name}") for name in settings]
    await connection.close()
    assert shown == ["on", "on", "on", "200"]


async def test_the_recorded_command_alone_starts_postgres_again_right_after_a_kill(postgres: EmbeddedPostgres) -> None:
    """As a test driver does it: nobody waits for the old server's children, nobody has collected the old server."""
    victim = postgres.process
    assert victim is not None
    idle = [await asyncpg.connect(postgres.dsn) for _ in range(20)]
    os.kill(victim.pid, signal.SIGKILL)
    launch = victim.launch
    with launch.log.open("ab") as log:
        again = subprocess.Popen(launch.command, env=launch.env, cwd=launch.cwd, stdout=log, stderr=log)
    try:
        while not await postgres.ready():
            assert again.poll() is None, launch.log.read_text()
    finally:
        again.send_signal(signal.SIGINT)
        again.wait()
    for connection in idle:
        connection.terminate()
    await postgres.start()


async def test_a_server_that_still_runs_keeps_its_lock(postgres: EmbeddedPostgres) -> None:
    data = postgres.folder / "data"
    lock.clear(data, seconds=0)
    assert (data / "postmaster.pid").exists()
