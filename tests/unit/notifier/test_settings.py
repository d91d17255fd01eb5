"""A token that can't be a bot's is refused at the start."""

import pytest

from chassis.settings import SettingsRefused, read
from services.notifier.settings import NotifierSettings

FINE = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092", "DATABASE_URL": "postgresql://127.0.0.1/okno"}


def test_a_bots_token_has_its_id() -> None:
    assert read(NotifierSettings, {**FINE, "TELEGRAM_BOT_TOKEN": "7700:AAH"}).telegram_bot_token is not None
    with pytest.raises(SettingsRefused, match="TELEGRAM_BOT_TOKEN must look like 7700:AAH"):
        read(NotifierSettings, {**FINE, "TELEGRAM_BOT_TOKEN": "AAH"})
