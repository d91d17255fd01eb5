"""The settings of ticketing's processes."""

from pydantic import Field

from chassis.pruning import REPEATABLE_DAYS
from chassis.settings import DatabaseSettings, HttpSettings, KafkaSettings, ParkingSettings, ProcessSettings


class TicketingApiSettings(ProcessSettings, DatabaseSettings, HttpSettings):
    """The API writes to the outbox only; it needs no Kafka."""


class TicketingWorkerSettings(ProcessSettings, KafkaSettings, DatabaseSettings, ParkingSettings):
    """Commands, receipts, profiles and dead letters in; the relay out."""

    retain_commands_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long ids of commands are kept: one that comes again is applied once.",
        examples=["40"],
    )
    retain_early_changes_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long a receipt or reaction waits for what it is about.",
        examples=["40"],
    )
    retain_idempotency_keys_days: int = Field(
        7, ge=1, description="How long a repeated API request gets the first one's answer.", examples=["7"]
    )
    retain_revisions_days: int = Field(
        365,
        ge=1,
        description="How long a message's former texts are kept, from its latest edit on.",
        examples=["365"],
    )
    dead_letters_max: int = Field(
        50_000,
        ge=1,
        description="Most dead letters in the table, settled ones too; further ones stay on their topics.",
        examples=["50000"],
    )
    dead_letters_max_megabytes: int = Field(
        1024, ge=1, description="Most room for their contents; further ones stay on their topics.", examples=["1024"]
    )
    retain_dead_letters_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long a replayed or discarded dead letter is kept. A waiting one stays.",
        examples=["40"],
    )
