"""Settings of the notifier."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from chassis.pruning import REPEATABLE_DAYS
from chassis.settings import DatabaseSettings, KafkaSettings, ParkingSettings, ProcessSettings, http_url

_BOT_TOKEN = re.compile(r"[0-9]+:.+")


class NotifierSettings(ProcessSettings, KafkaSettings, DatabaseSettings, ParkingSettings):
    """Which platforms replies go to, and how long their answers are waited for."""

    slack_bot_token: SecretStr | None = Field(
        None, description="Bot token of the Slack app. Not set: no replies to Slack.", examples=["xoxb-..."]
    )
    slack_api_url: str = Field(
        "https://slack.com/api/", description="Slack's Web API.", examples=["https://slack.com/api/"]
    )
    telegram_bot_token: SecretStr | None = Field(
        None, description="Token of the Telegram bot. Not set: no replies to Telegram.", examples=["7700:AA..."]
    )
    telegram_api_url: str = Field(
        "https://api.telegram.org", description="Telegram's Bot API.", examples=["https://api.telegram.org"]
    )
    slack_timeout_seconds: float = Field(
        10, gt=0, le=60, description="Longest wait for an answer of Slack.", examples=["10"]
    )
    telegram_timeout_seconds: float = Field(
        10, gt=0, le=60, description="Longest wait for an answer of Telegram.", examples=["10"]
    )
    settling_seconds: float = Field(
        5,
        gt=0,
        le=60,
        description="How long after a request's timeout a platform may still carry it out: "
        "nobody looks for the post or sends it again before that.",
        examples=["5"],
    )
    notice_max_age_minutes: float = Field(
        15,
        gt=0,
        description="How old an automatic answer may be when it is its turn to be posted: an older one is cancelled.",
        examples=["15"],
    )
    retain_instructions_days: int = Field(
        40,
        ge=REPEATABLE_DAYS,
        description="How long ids of instructions are kept: one that comes again is carried out once.",
        examples=["40"],
    )
    retain_ledger_days: int = Field(
        365,
        ge=REPEATABLE_DAYS,
        description="How long a finished delivery is kept; later its post can't be edited or deleted from the ticket.",
        examples=["365"],
    )

    @field_validator("telegram_bot_token")
    @classmethod
    def _bot(cls, value: SecretStr | None) -> SecretStr | None:
        """The bot's id is read from it."""
        if value is not None and not _BOT_TOKEN.fullmatch(value.get_secret_value()):
            raise PydanticCustomError("token", "must look like 7700:AAH..., as @BotFather gives it")
        return value

    @field_validator("slack_api_url", "telegram_api_url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value)
