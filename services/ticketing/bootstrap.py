"""Where ticketing's processes are put together. Nothing connects at import."""

from pathlib import Path

from chassis import migrations, published
from chassis.batches import Outcome
from chassis.clock import SystemClock
from chassis.compared import connect_compared
from chassis.consumer import Consumer
from chassis.database import BY_KEY, Database
from chassis.kafka import make_producer
from chassis.lifecycle import ProcessContext
from chassis.pruning import Pruner
from chassis.relay import Relay
from services.ticketing import retention
from services.ticketing.dead_letter_gauges import DeadLetterGauges
from services.ticketing.settings import TicketingApiSettings, TicketingWorkerSettings
from services.ticketing.store.dead_letters import Room
from services.ticketing.worker import (
    CONSUMER,
    DEAD_CONSUMER,
    DEAD_TOPICS,
    TOPICS_READ,
    Applier,
    DeadLetterProjection,
)

SCHEMA = "ticketing"
MIGRATIONS = [migrations.CHASSIS, (SCHEMA, Path(__file__).parent / "migrations")]
QUESTIONS = {
    "ticket.events.v1": published.by_version("tickets", "id", "ticket_id"),
    "desk.staff.v1": published.by_version("agent_identities", "person_key", "identity"),
    "desk.policy.v1": published.by_version("(SELECT 'policy' AS key, version FROM policies)", "key", "record_key"),
}
"""Every topic whose records come from this schema and carry a version, with the question what the tables lack."""
API_CONNECTIONS = 8
WORKER_CONNECTIONS = 5
LOOP_LIMIT_SECONDS = 60
DEAD_FETCH_WAIT_MS = 1000
"""Dead letters are rare and their topics many: each empty fetch costs the broker a look at 120 partitions."""

FAULT_POINTS: dict[str, str] = {
    "ticketing.receipts_applied": "Receipts are applied in memory, nothing of the batch is written.",
    "ticketing-api.handled": "A request's changes are written, its transaction isn't committed.",
    "ticketing-api.committed": "A request's transaction is committed, its answer isn't sent.",
}
"""Beside those of the chassis for both consumers, the `relay` and `ticketing`."""


async def run_ticketing_api(process: ProcessContext[TicketingApiSettings]) -> None:
    """The REST API. Its changes reach Kafka through the worker's relay."""
    from services.ticketing.api.app import create_app

    settings = process.settings
    dsn = settings.database_url.get_secret_value()
    database = await Database.connect(dsn, schema=SCHEMA, process=process.name, max_size=API_CONNECTIONS)
    process.defer(database.close)
    await migrations.check_schema(database, MIGRATIONS)
    process.add_readiness("database", database.reachable)
    app = create_app(database, SystemClock())
    process.serve_http("api", app, host=settings.http_host, port=settings.http_port)


async def run_ticketing_worker(process: ProcessContext[TicketingWorkerSettings]) -> None:
    """Applies commands, receipts and profiles, keeps the dead letters, and publishes the schema's outbox."""
    settings = process.settings
    database = await connect_compared(
        process, schema=SCHEMA, folders=MIGRATIONS, topics=QUESTIONS, connections=WORKER_CONNECTIONS, session=BY_KEY
    )
    process.add_readiness("database", database.reachable)
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    relay = Relay(database=database, producer=producer, process=process.name)
    process.spawn("relay", relay.run(), stop=relay.stop)
    process.add_liveness("relay", relay.last_turn_age, LOOP_LIMIT_SECONDS)
    pruner = Pruner(database, retention.rules(settings))
    process.spawn("pruning", pruner.run(), stop=pruner.stop)
    applier = Applier()

    async def committed(outcome: Outcome | None) -> None:
        if outcome is not None:
            applier.committed()
        relay.wake()

    consumer = Consumer(
        name=CONSUMER,
        topics=TOPICS_READ,
        database=database,
        kafka=settings,
        handle=applier,
        process=process.name,
        park_keys=settings.park_keys,
        after_commit=committed,
    )
    room = Room(settings.dead_letters_max, settings.dead_letters_max_megabytes * 1024 * 1024)
    process.spawn("dead-letter-gauges", DeadLetterGauges(database).run())
    dead = Consumer(
        name=DEAD_CONSUMER,
        topics=DEAD_TOPICS,
        database=database,
        kafka=settings,
        handle=DeadLetterProjection(room=room),
        process=process.name,
        decode=None,
        fetch_wait_ms=DEAD_FETCH_WAIT_MS,
    )
    for name, one in (("dead-letters", dead), ("consumer", consumer)):
        process.spawn(name, one.run(), stop=one.stop)
        process.add_liveness(name, one.last_turn_age, LOOP_LIMIT_SECONDS)
        process.add_readiness(name, one.ready)
