"""Where the services find Slack and Telegram: in the sandbox, or at SLACK_API_URL and TELEGRAM_API_URL when these are
set; secrets follow the same rule, so that a person's real token never reaches the simulation or the other way round.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.slack.identity import Identity
from sandbox.telegram.world import BotIdentity

SANDBOX_SECRET_TOKEN = "sandbox-secret-token"  # noqa: S105 - a secret of nothing but the simulation


@dataclass(frozen=True, slots=True)
class SlackPlatform:
    api_url: str
    signing_secret: str
    bot_token: str
    app_token: str
    team_id: str
    bot_user_id: str
    verification_token: str


@dataclass(frozen=True, slots=True)
class TelegramPlatform:
    api_url: str
    bot_token: str
    secret_token: str

    @property
    def bot_id(self) -> str:
        return self.bot_token.partition(":")[0]


def slack(sandbox_url: str, environ: Mapping[str, str] | None = None) -> SlackPlatform:
    """The sandbox's Slack, or another server with the secrets of the environment (the sandbox's where not given)."""
    given = os.environ if environ is None else environ
    known = Identity()
    elsewhere = given if given.get("SLACK_API_URL") else {}
    return SlackPlatform(
        api_url=(elsewhere.get("SLACK_API_URL") or f"{sandbox_url}/slack/api/").rstrip("/") + "/",
        signing_secret=elsewhere.get("SLACK_SIGNING_SECRET") or known.signing_secret,
        bot_token=elsewhere.get("SLACK_BOT_TOKEN") or known.bot_token,
        app_token=elsewhere.get("SLACK_APP_TOKEN") or known.app_token,
        team_id=elsewhere.get("SLACK_TEAM_ID") or known.team_id,
        bot_user_id=elsewhere.get("SLACK_BOT_USER_ID") or known.bot_user_id,
        verification_token=known.verification_token,
    )


def telegram(sandbox_url: str, environ: Mapping[str, str] | None = None) -> TelegramPlatform:
    """The sandbox's Telegram, or another server with the secrets of the environment (the sandbox's where not given)."""
    given = os.environ if environ is None else environ
    elsewhere = given if given.get("TELEGRAM_API_URL") else {}
    return TelegramPlatform(
        api_url=(elsewhere.get("TELEGRAM_API_URL") or f"{sandbox_url}/telegram").rstrip("/"),
        bot_token=elsewhere.get("TELEGRAM_BOT_TOKEN") or BotIdentity().token,
        secret_token=elsewhere.get("TELEGRAM_SECRET_TOKEN") or SANDBOX_SECRET_TOKEN,
    )
