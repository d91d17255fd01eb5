"""Where the router's process is put together. Nothing connects at import."""

from pathlib import Path

from chassis.compared import connect_compared
from chassis.consumer import Consumer
from chassis.database import BY_KEY
from chassis.kafka import make_producer
from chassis.lifecycle import ProcessContext
from chassis.migrations import CHASSIS
from chassis.pruning import Pruner
from chassis.relay import Relay
from services.router import retention
from services.router.published import missing_commands
from services.router.publishing import Publishing
from services.router.settings import RouterSettings
from services.router.worker import CONSUMER, TOPICS, UNHURRIED, Worker

SCHEMA = "router"
MIGRATIONS = Path(__file__).parent / "migrations"
FOLDERS = (CHASSIS, ("router", MIGRATIONS))
QUESTIONS = {"ticket.commands.v1": missing_commands}
"""The topic whose records come from this schema, with the question what the tables lack."""
LOOP_LIMIT_SECONDS = 60


async def run_router(process: ProcessContext[RouterSettings]) -> None:
    """Chat events in, commands and automatic answers out."""
    settings = process.settings
    database = await connect_compared(process, schema=SCHEMA, folders=FOLDERS, topics=QUESTIONS, session=BY_KEY)
    producer = make_producer(settings)
    await producer.start()
    process.defer(producer.stop)
    # No lease: whoever owns a partition owns its lane.
    relay = Relay(database=database, producer=producer, process=process.name, lease=None, fault_prefix=CONSUMER)
    publishing = Publishing(relay)
    worker = Worker(publish=settings.router_mode == "decide", wrote=publishing.wrote)
    consumer = Consumer(
        name=CONSUMER,
        topics=TOPICS,
        database=database,
        kafka=settings,
        handle=worker.handle,
        process=process.name,
        after_commit=publishing.after_commit,
        on_assigned=publishing.on_assigned,
        dead_letter_lane=publishing.dead_letter_lane,
        unhurried=UNHURRIED,
        park_keys=settings.park_keys,
    )
    publishing.follow(consumer)
    process.spawn("sweep", publishing.sweep(), stop=publishing.stop)
    pruner = Pruner(database, retention.rules(settings))
    process.spawn("pruning", pruner.run(), stop=pruner.stop)
    process.spawn("consumer", consumer.run(), stop=consumer.stop)
    process.add_liveness("consumer", consumer.last_turn_age, LOOP_LIMIT_SECONDS)

    async def assigned() -> bool:
        return consumer.ready()

    process.add_readiness("consumer", assigned)
    process.add_readiness("database", database.reachable)
