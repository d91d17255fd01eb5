"""What Telegram would refuse, or what would make us refuse Telegram, is refused at the start."""

import pytest

from chassis.settings import Settings, SettingsRefused, read
from services.ingest.settings import IngestTelegramSettings, IngestWorkerSettings

FINE = {
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "DATABASE_URL": "postgresql://127.0.0.1/okno",
    "TELEGRAM_BOT_TOKEN": "7700:AAH",
    "TELEGRAM_SECRET_TOKEN": "a-long_random-word",
    "TELEGRAM_WEBHOOK_URL": "https://okno.example.org/telegram/7700",
}


@pytest.mark.parametrize("settings", [IngestTelegramSettings, IngestWorkerSettings])
def test_what_is_right_is_taken(settings: type[Settings]) -> None:
    assert read(settings, FINE) is not None


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (IngestTelegramSettings, "TELEGRAM_SECRET_TOKEN", "two words"),
        (IngestTelegramSettings, "TELEGRAM_SECRET_TOKEN", "x" * 257),
        (IngestTelegramSettings, "TELEGRAM_WEBHOOK_URL", "okno.example.org"),
        (IngestTelegramSettings, "TELEGRAM_BOT_TOKEN", "AAH"),
        (IngestWorkerSettings, "TELEGRAM_BOT_TOKEN", "AAH"),
    ],
)
def test_what_is_wrong_is_named_with_an_example(settings: type[Settings], name: str, value: str) -> None:
    with pytest.raises(SettingsRefused, match=f"one setting is wrong(.|\n)*{name} must(.|\n)*Example: {name}="):
        read(settings, {**FINE, name: value})
