"""The settings of ingest's processes."""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from chassis.settings import (
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    OptionalDatabaseSettings,
    Problem,
    ProcessSettings,
    Settings,
    http_url,
)

SLACK_API = "https://slack.com/api/"
TELEGRAM_API = "https://api.telegram.org"
_SECRET_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,256}")


class SlackApiSettings(Settings):
    slack_api_url: str = Field(SLACK_API, description="Base URL of Slack's Web API.", examples=[SLACK_API])

    @field_validator("slack_api_url")
    @classmethod
    def _slash(cls, value: str) -> str:
        return http_url(value).rstrip("/") + "/"


class SlackGapSettings(Settings):
    slack_backfill_after_seconds: float = Field(
        300,
        gt=0,
        description="How long nothing may be heard of Slack before history is read for what was missed. "
        "Slack's last retry comes six minutes after an event.",
        examples=["300"],
    )


class TelegramApiSettings(Settings):
    telegram_api_url: str = Field(TELEGRAM_API, description="Base URL of the Bot API.", examples=[TELEGRAM_API])

    @field_validator("telegram_api_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return http_url(value).rstrip("/")


def _given(*secrets: SecretStr | None) -> list[str]:
    return [secret.get_secret_value() for secret in secrets if secret is not None and secret.get_secret_value()]


def bot_token(value: SecretStr | None) -> SecretStr | None:
    """For field validators: a token begins with the bot's id and a colon."""
    if value is None:
        return None
    bot_id, colon, rest = value.get_secret_value().partition(":")
    if not (bot_id.isdigit() and colon and rest):
        raise PydanticCustomError("token", "must look like 7700:AAH..., as @BotFather gives it")
    return value


class IngestSlackSettings(
    ProcessSettings, KafkaSettings, OptionalDatabaseSettings, HttpSettings, SlackApiSettings, SlackGapSettings
):
    slack_transport: Literal["http", "socket"] = Field(
        "http", description="Events API over HTTP, or Socket Mode.", examples=["socket"]
    )
    slack_signing_secret: SecretStr | None = Field(
        None,
        description="Signing secret of the Slack app (transport http).",
        examples=["8f742231b10e8888abcd99yyyzzz85a5"],
    )
    slack_signing_secret_previous: SecretStr | None = Field(
        None,
        description="A second signing secret that is accepted too, while the secret is changed.",
        examples=["0a1b2c3d4e5f60718293a4b5c6d7e8f9"],
    )
    slack_app_token: SecretStr | None = Field(
        None, description="App-level token with connections:write (transport socket).", examples=["xapp-1-A0-1-abc"]
    )

    @property
    def signing_secrets(self) -> list[str]:
        """All that count, the current one first."""
        return _given(self.slack_signing_secret, self.slack_signing_secret_previous)

    def problems(self) -> Iterator[Problem]:
        """Each transport needs its own secret."""
        yield from super().problems()
        if self.slack_transport == "http" and self.slack_signing_secret is None:
            yield "SLACK_SIGNING_SECRET", "is missing, SLACK_TRANSPORT=http needs it"
        if self.slack_transport == "socket" and self.slack_app_token is None:
            yield "SLACK_APP_TOKEN", "is missing, SLACK_TRANSPORT=socket needs it"


class IngestTelegramSettings(ProcessSettings, KafkaSettings, HttpSettings, TelegramApiSettings):
    telegram_bot_token: SecretStr = Field(
        description="The bot's token from @BotFather.", examples=["7700:AAHdqTcvCH1vGWJxfSe"]
    )
    telegram_transport: Literal["webhook", "polling"] = Field(
        "webhook", description="Updates by webhook, or by long polling.", examples=["polling"]
    )
    telegram_secret_token: SecretStr | None = Field(
        None,
        description="Secret that Telegram sends with each webhook (1-256 of A-Z a-z 0-9 _ -).",
        examples=["a-long-random-word"],
    )
    telegram_secret_token_previous: SecretStr | None = Field(
        None,
        description="A second secret that is accepted too, while the secret is changed.",
        examples=["the-random-word-before"],
    )
    telegram_webhook_url: str | None = Field(
        None,
        description="Public URL to register with Telegram at the start; not set: registered by somebody else.",
        examples=["https://okno.example.org/telegram/7700"],
    )

    _token = field_validator("telegram_bot_token")(bot_token)

    @field_validator("telegram_secret_token", "telegram_secret_token_previous")
    @classmethod
    def _secret(cls, value: SecretStr | None) -> SecretStr | None:
        """Telegram refuses others at `setWebhook`."""
        if value is not None and not _SECRET_TOKEN.fullmatch(value.get_secret_value()):
            raise PydanticCustomError("secret", "must be 1 to 256 characters of A-Z a-z 0-9 _ -")
        return value

    @field_validator("telegram_webhook_url")
    @classmethod
    def _webhook(cls, value: str | None) -> str | None:
        return None if value is None else http_url(value)

    @property
    def bot_id(self) -> int:
        return int(self.telegram_bot_token.get_secret_value().partition(":")[0])

    @property
    def secret_tokens(self) -> list[str]:
        """All that count; the current one, which Telegram is told, first."""
        return _given(self.telegram_secret_token, self.telegram_secret_token_previous)

    def problems(self) -> Iterator[Problem]:
        """A webhook without a secret would let anybody write as anybody."""
        yield from super().problems()
        if self.telegram_transport == "webhook" and self.telegram_secret_token is None:
            yield "TELEGRAM_SECRET_TOKEN", "is missing, TELEGRAM_TRANSPORT=webhook needs it"


class IngestWorkerSettings(
    ProcessSettings, KafkaSettings, DatabaseSettings, SlackApiSettings, SlackGapSettings, TelegramApiSettings
):
    slack_bot_token: SecretStr | None = Field(
        None, description="Bot token of the Slack app; not set: nothing is read from Slack.", examples=["xoxb-1-2-abc"]
    )
    telegram_bot_token: SecretStr | None = Field(
        None,
        description="The bot's token; not set: button presses aren't answered.",
        examples=["7700:AAHdqTcvCH1vGWJxfSe"],
    )
    retain_jobs_days: int = Field(
        7, ge=1, description="How long the worker tries to fetch what it was asked for.", examples=["7"]
    )
    retain_profiles_days: int = Field(
        90,
        ge=2,
        description="How long it is remembered what was published of a person or channel.",
        examples=["90"],
    )
    slack_backfill_look_back_days: float = Field(
        7,
        gt=0,
        le=90,
        description="How long before a gap messages and threads are looked at again for replies, edits and deletions.",
        examples=["7"],
    )

    _token = field_validator("telegram_bot_token")(bot_token)
