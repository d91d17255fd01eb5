"""The settings of the router's process."""

from typing import Literal

from pydantic import Field

from chassis.settings import DatabaseSettings, KafkaSettings, ProcessSettings


class RouterSettings(ProcessSettings, KafkaSettings, DatabaseSettings):
    """Everything that `okno run router` reads from its environment."""

    router_mode: Literal["decide", "observe"] = Field(
        "decide",
        description="`observe` decides and records, but publishes no commands, answers and requests.",
        examples=["observe"],
    )
