"""Kafka as commands ask it. Its errors are told apart from PostgreSQL's, which may be system errors too."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.failure import fail


@contextmanager
def asking_kafka() -> Iterator[None]:
    """What Kafka or its settings refuse inside ends the command with one sentence. Only Kafka may be asked inside."""
    from aiokafka.errors import KafkaError

    from chassis.settings import SettingsRefused

    try:
        yield
    except SettingsRefused as refused:
        fail(str(refused))
    except (KafkaError, OSError) as error:
        fail(
            f"Kafka refuses or can't be reached: {error!r}",
            "Is KAFKA_BOOTSTRAP_SERVERS right, and Kafka up? `okno doctor` looks.",
        )
