"""The settings of the router's process."""

from typing import Literal

from pydantic import Field

from chassis.pruning import REPEATABLE_DAYS
from chassis.settings import DatabaseSettings, KafkaSettings, ParkingSettings, ProcessSettings


class RouterSettings(ProcessSettings, KafkaSettings, DatabaseSettings, ParkingSettings):
    """Everything that `okno run router` reads from its environment."""

    router_mode: Literal["decide", "observe"] = Field(
        "decide",
        description="`observe` decides and records, but publishes no commands, answers and requests.",
        examples=["observe"],
    )
    retain_decisions_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long decision records are kept: an event that comes again is decided once.",
        examples=["40"],
    )
    retain_early_changes_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long an edit, deletion or reaction waits for its message.",
        examples=["40"],
    )
    retain_view_days: int = Field(
        365,
        ge=REPEATABLE_DAYS,
        description="How long after its end a ticket's conversations are known, and messages for edits and reactions.",
        examples=["365"],
    )
