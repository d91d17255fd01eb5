"""The worker fetches what events only name: people, channels and the beginnings of threads."""

from datetime import UTC, datetime

from chassis.kafka import make_producer
from chassis.migrations import migrate
from chassis.settings import KafkaSettings
from contracts.base import RecordModel
from contracts.chat import Author, Channel, ChannelType
from contracts.chat_events_v1 import ButtonPressed, MessagePosted
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.chat_requests_v1 import ReadThread
from contracts.codec import encode
from contracts.keys import Platform, message_key, slack_channel, slack_person, telegram_channel, telegram_person
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.telegram import BotIdentity
from services.ingest.bootstrap import FOLDERS
from services.ingest.reading import SCHEMA
from tests.integration.ingest.support import Log, Platforms, running

NOW = datetime(2024, 5, 21, tzinfo=UTC)


async def publish(kafka: EmbeddedKafka, *records: RecordModel) -> None:
    producer = make_producer(KafkaSettings(kafka_bootstrap_servers=kafka.bootstrap_servers))
    await producer.start()
    try:
        for record in records:
            encoded = encode(record, source="okno/test", time=NOW)
            await producer.send_and_wait(encoded.topic, encoded.value, key=encoded.key, headers=encoded.headers)
    finally:
        await producer.stop()


def environment(platforms: Platforms, database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url,
        "SLACK_BOT_TOKEN": platforms.slack.identity.bot_token,
        "SLACK_API_URL": platforms.slack_api,
        "TELEGRAM_BOT_TOKEN": BotIdentity().token,
        "TELEGRAM_API_URL": platforms.telegram_api,
    }


async def test_names_of_slack_people_and_channels_are_looked_up_once(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str
) -> None:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    user = (await platforms.act("POST", "/slack/users", {"name": "anna", "display_name": "Anna"}))["user"]["id"]
    channel = (await platforms.act("POST", "/slack/channels", {"name": "help"}))["channel"]["id"]
    key = slack_channel(channel)
    where = Channel(key=key, platform=Platform.SLACK, workspace="T0", type=ChannelType.PUBLIC)
    posts = [
        MessagePosted(
            channel=where,
            occurred_at=NOW,
            received_at=NOW,
            message_key=message_key(key, f"{number}.000000"),
            author=Author(key=slack_person(user)),
            text="hi",
        )
        for number in (1, 2)
    ]
    async with running("ingest-worker", kafka, **environment(platforms, database_url)):
        await publish(kafka, *posts)
        profiles = await log.until("chat.profiles.v1", lambda found: len(found) >= 2)
        await publish(kafka, posts[0].model_copy(update={"message_key": message_key(key, "3.000000")}))
    named = {one.data.record_key: one.data.name for one in profiles}
    assert named == {slack_person(user): "Anna", key: "help"}
    calls = await platforms.act("GET", "/slack/calls?method=users.info")
    assert len(calls["calls"]) == 1
    assert {type(one.data) for one in profiles} == {PersonProfile, ChannelProfile}


async def test_a_threads_beginning_is_read_as_backfilled_events(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str
) -> None:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    user = (await platforms.act("POST", "/slack/users", {"name": "anna"}))["user"]["id"]
    channel = (await platforms.act("POST", "/slack/channels", {"name": "help"}))["channel"]["id"]
    here = {"user": user, "channel": channel}
    root = await platforms.act("POST", "/slack/messages", {**here, "text": "root <1>"})
    await platforms.act("POST", "/slack/messages", {**here, "text": "before", "thread_ts": root["ts"]})
    now = await platforms.act("POST", "/slack/messages", {**here, "text": "the asker's", "thread_ts": root["ts"]})
    key = slack_channel(channel)
    where = Channel(key=key, platform=Platform.SLACK, workspace="T0", type=ChannelType.PUBLIC)
    before = datetime.fromtimestamp(float(now["ts"]) - 0.0000005, UTC)
    request = ReadThread(request_id="r1", channel=where, thread=root["ts"], before=before)
    async with running("ingest-worker", kafka, **environment(platforms, database_url)):
        await publish(kafka, request)
        events = await log.until("chat.events.v1", lambda found: len(found) >= 2)
    assert [(one.data.text, one.data.backfilled, one.data.thread) for one in events] == [
        ("root <1>", True, None),
        ("before", True, root["ts"]),
    ]
    assert events[0].id == message_key(key, root["ts"])


async def test_telegram_names_come_with_the_events_and_presses_are_answered(
    kafka: EmbeddedKafka, platforms: Platforms, log: Log, database_url: str
) -> None:
    await migrate(database_url, schema=SCHEMA, folders=FOLDERS)
    user = (await platforms.act("POST", "/telegram/users", {"first_name": "Ivan"}))["user_id"]
    await platforms.act("POST", "/telegram/messages", {"user_id": user, "text": "hi"})
    key = telegram_channel(7700, user)
    where = Channel(key=key, platform=Platform.TELEGRAM, workspace="7700", type=ChannelType.DIALOG)
    author = Author(key=telegram_person(user), name="Ivan", locale="ru")
    press = ButtonPressed(channel=where, occurred_at=NOW, received_at=NOW, person=author, query_id="77", data="x")
    async with running("ingest-worker", kafka, **environment(platforms, database_url)):
        await publish(kafka, press)
        (profile,) = await log.until("chat.profiles.v1", lambda found: len(found) >= 1)
        assert (profile.data.person_key, profile.data.name, profile.data.locale) == (author.key, "Ivan", "ru")
        called = await platforms.act("GET", "/telegram/calls?method=answerCallbackQuery")
        while not called["calls"]:
            called = await platforms.act("GET", "/telegram/calls?method=answerCallbackQuery")
