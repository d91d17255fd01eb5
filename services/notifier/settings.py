"""Settings of the notifier."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from chassis.settings import DatabaseSettings, KafkaSettings, ProcessSettings, http_url


class NotifierSettings(ProcessSettings, KafkaSettings, DatabaseSettings):
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

    @field_validator("slack_api_url", "telegram_api_url")
    @classmethod
    def _url(cls, value: str) -> str:
        return http_url(value)
