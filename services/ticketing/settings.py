"""The settings of ticketing's processes."""

from chassis.settings import DatabaseSettings, HttpSettings, KafkaSettings, ProcessSettings


class TicketingApiSettings(ProcessSettings, DatabaseSettings, HttpSettings):
    """The API writes to the outbox only; it needs no Kafka."""


class TicketingWorkerSettings(ProcessSettings, KafkaSettings, DatabaseSettings):
    """Commands, receipts, profiles and dead letters in; the relay out."""
