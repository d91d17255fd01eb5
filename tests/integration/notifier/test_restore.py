"""A ledger that was set back: nothing is posted a second time, and what may have been posted is looked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner

from chassis import dead_letters
from chassis.database import Database
from chassis.dead_letters import DeadLetter
from chassis.records import RELEASE
from chassis.settings import KafkaSettings
from cli.commands import app as okno
from contracts.chat_replies_v1 import CancelReply, ConfirmReply, DeleteReply, EditReply, PostReply, ResendReply
from contracts.keys import Platform
from contracts.topics import TOPICS
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.postgres.server import EmbeddedPostgres
from services.notifier.bootstrap import SCHEMA
from services.notifier.outcomes import Later, Posted, Target
from tests import backups, topic_reader
from tests.integration.notifier.conftest import Desk, Dying, eventually
from tests.integration.notifier.test_process import Notifiers

BLIND = {
    "deliveries": ("created_at",),
    "parts": ("posted_at",),
    "operations": ("line", "due_at", "lease_token", "queued_at", "ended_at", "first_sent_at", "sending_revision",
                   "traceparent"),
    "instructions": ("applied_at",),
}  # fmt: skip


class Scene:
    """The backup's notifier and the lost one, one after the other, on the same topics and platforms."""

    def __init__(self, desk: Desk, kafka: EmbeddedKafka, dsn: str, folder: Path) -> None:
        self.desk, self.kafka, self.dsn, self.folder = desk, kafka, dsn, folder

        self.made: list[Notifiers] = []

    def notifiers(self, dsn: str) -> Notifiers:
        self.made.append(Notifiers(self.desk, self.kafka, dsn, self.folder))
        return self.made[-1]

    async def reaches(self, post: PostReply, state: str) -> None:
        """Wait until the last receipt of a delivery is this one; versions are gapless, whoever wrote them."""
        await self.notifiers(self.dsn).ends(post, state)

    async def posted_behind_the_ledgers_back(self, post: PostReply) -> None:
        """As by a sender of which no receipt was published."""
        sender = self.desk.senders()[post.place.channel.platform]
        target = Target(post.delivery_id, 0, post.place.channel.key, post.place)
        async with asyncio.timeout(20):
            while not isinstance(said := await sender.post(target, sender.render(post.text, ())[0]), Posted):
                assert isinstance(said, Later)  # the chat had a post within the second
                await asyncio.sleep(said.held_seconds or 0.1)
        await sender.close()

    async def letters(self) -> list[DeadLetter]:
        settings = KafkaSettings(kafka_bootstrap_servers=self.kafka.bootstrap_servers)
        return [one async for one in dead_letters.read(settings, "chat.replies.v1.dead")]

    async def discard(self, letters: Sequence[DeadLetter]) -> None:
        """As ticketing tells it on their topic."""
        producer = AIOKafkaProducer(bootstrap_servers=self.kafka.bootstrap_servers, acks="all")
        await producer.start()
        for one in letters:
            release = f"notifier:{one.origin_partition}:{one.origin_offset}".encode()
            await producer.send_and_wait(one.origin_topic, None, one.key, headers=[(RELEASE, release)])
        await producer.stop()


@pytest.fixture
async def scene(
    desk: Desk, kafka: EmbeddedKafka, registry_topics: None, database_url: str, tmp_path: Path
) -> AsyncIterator[Scene]:
    made = Scene(desk, kafka, database_url, tmp_path)
    yield made
    for process in [one for notifiers in made.made for one in notifiers.running]:
        if process.poll() is None:
            process.kill()
            process.wait()


async def restore(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DATABASE_URL", scene.dsn)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", scene.kafka.bootstrap_servers)
    said = await asyncio.to_thread(CliRunner().invoke, okno, ["restore", "--service", "notifier"])
    assert said.exit_code == 0, said.output
    return said.output


def posts_in(found: backups.Rows) -> backups.Rows:
    """How posts stand. Of edits and deletions that ended since, nothing is kept."""
    return {"operations": [one for one in found["operations"] if one["kind"] == "post"]}


def stop(notifiers: Notifiers) -> None:
    for process in notifiers.running:
        process.terminate()
        assert process.wait(30) == 0


async def test_nothing_is_posted_again_and_what_was_sent_can_be_changed(
    scene: Scene, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk
    thread, dialog = desk.slack_channel(), desk.telegram_dialog()
    # At the time of the backup this one waited for its turn.
    waited = desk.post(thread, "waited")
    await desk.give(waited)
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        gone = scene.notifiers(lost)
        gone.start()
        since = [desk.post(thread, "in Slack"), desk.post(dialog, "in Telegram"), desk.post(thread, "x" * 9000)]
        edited, deleted = desk.post(thread, "before"), desk.post(thread, "wrong")
        await gone.publish(*since, edited, deleted)
        for post in (waited, *since, edited, deleted):
            await scene.reaches(post, "post sent")
        await gone.publish(desk.about(EditReply, edited, text="after"), desk.about(DeleteReply, deleted))
        await scene.reaches(edited, "edit sent")
        await scene.reaches(deleted, "delete sent")
        stop(gone)
        expected = await backups.rows(lost, SCHEMA, without=("buckets",), blind=BLIND)
    chats = desk.slack_posts(thread), desk.telegram_posts(dialog)
    assert len(chats[1]) == 1

    said = await restore(scene, monkeypatch)
    assert "recovered: 0 posts were possibly sent" in said
    restored = await backups.rows(scene.dsn, SCHEMA, without=("buckets",), blind=BLIND)
    for name in ("deliveries", "parts", "instructions"):
        assert backups.differences({name: restored[name]}, {name: expected[name]}) == []
    assert backups.differences(posts_in(restored), posts_in(expected)) == []
    back = scene.notifiers(scene.dsn)
    back.start()
    more = desk.post(thread, "more")
    await back.publish(
        desk.about(EditReply, since[1], text="better"), desk.about(EditReply, waited, text="no more"), more
    )
    await scene.reaches(since[1], "edit sent")
    await scene.reaches(waited, "edit sent")
    await scene.reaches(more, "post sent")
    stop(back)
    assert desk.telegram_posts(dialog) == ["better"]
    assert desk.slack_posts(thread) == ["no more" if text == "waited" else text for text in chats[0]] + ["more"]


async def test_how_posts_of_the_backup_ended_since_is_in_the_ledger_and_none_is_posted_again(
    scene: Scene, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, faults = scene.desk, scene.desk.telegram.faults
    dialogs = {name: number for number, name in enumerate(("lost", "confirmed", "failed", "cancelled", "resent"), 5)}
    places = {name: desk.telegram_dialog(number) for name, number in dialogs.items()}
    places["leased"] = desk.slack_channel()
    given = {name: desk.post(place, name) for name, place in places.items()}
    faults.add("sendMessage", "drop_before", count=1, chat_id=dialogs["resent"])
    dying = Dying(desk, posts=False)
    async with desk.dispatching(senders=desk.senders() | {Platform.SLACK: dying}):
        await desk.give(given["leased"], given["resent"])
        await desk.reaches(given["resent"], "post unknown")
        await dying.died.wait()
    await desk.give(*(given[name] for name in ("lost", "confirmed", "failed", "cancelled")))
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        for name in ("lost", "confirmed"):
            faults.add("sendMessage", "drop", count=1, chat_id=dialogs[name])
        desk.telegram.actions.block(dialogs["failed"], blocked=True)
        await execute(
            lost,
            "INSERT INTO notifier.pauses (scope, reason, paused_by) "
            f"VALUES ('{places['cancelled'].channel.key}', 'a test', 'a test')",
        )
        gone = scene.notifiers(lost)
        gone.start()
        await scene.reaches(given["confirmed"], "post unknown")
        await gone.publish(
            desk.about(ConfirmReply, given["confirmed"]),
            desk.about(CancelReply, given["cancelled"]),
            desk.about(ResendReply, given["resent"]),
        )
        ends = {"lost": "unknown", "failed": "failed", "cancelled": "cancelled"}
        for name, post in given.items():
            await scene.reaches(post, f"post {ends.get(name, 'sent')}")
        stop(gone)
        expected = await backups.rows(lost, SCHEMA, without=("buckets", "pauses"), blind=BLIND)
    desk.telegram.actions.block(dialogs["failed"], blocked=False)

    said = await restore(scene, monkeypatch)
    assert "recovered: 0 posts were possibly sent" in said
    restored = await backups.rows(scene.dsn, SCHEMA, without=("buckets", "pauses"), blind=BLIND)
    assert backups.differences(posts_in(restored), posts_in(expected)) == []
    assert backups.differences({"parts": restored["parts"]}, {"parts": expected["parts"]}) == []
    back = scene.notifiers(scene.dsn)
    back.start()
    more = [desk.post(place, "more") for place in places.values()]
    await back.publish(*more, desk.about(EditReply, given["confirmed"], text="other"))
    for post in more:
        await scene.reaches(post, "post sent")
    await scene.reaches(given["confirmed"], "edit failed")
    stop(back)
    arrived = {name: desk.telegram_posts(places[name]) for name in dialogs}
    silent = ("failed", "cancelled")
    assert arrived == {name: ["more"] if name in silent else [name, "more"] for name in dialogs}
    assert desk.slack_posts(places["leased"]) == ["leased", "more"]


async def test_of_a_long_reply_confirmed_half_way_no_part_is_posted_again_and_none_is_left_out(
    scene: Scene, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One was confirmed before the database was set back, of the other the rest is still to be posted."""
    desk = scene.desk
    dialogs = {"confirmed": desk.telegram_dialog(5), "unknown": desk.telegram_dialog(6)}
    text = "\n\n".join(letter * 4000 for letter in "abc")
    given = {name: desk.post(place, text) for name, place in dialogs.items()}
    for chat in (5, 6):
        desk.telegram.faults.add("sendMessage", "drop", count=1, chat_id=chat)
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        gone = scene.notifiers(lost)
        gone.start()
        await gone.publish(*given.values())
        for post in given.values():
            await scene.reaches(post, "post unknown")
        await gone.publish(desk.about(ConfirmReply, given["confirmed"]))
        await scene.reaches(given["confirmed"], "post sent")
        stop(gone)
        expected = await backups.rows(lost, SCHEMA, without=("buckets",), blind=BLIND)

    await restore(scene, monkeypatch)
    restored = await backups.rows(scene.dsn, SCHEMA, without=("buckets",), blind=BLIND)
    assert backups.differences({"parts": restored["parts"]}, {"parts": expected["parts"]}) == []
    assert backups.differences(posts_in(restored), posts_in(expected)) == []
    back = scene.notifiers(scene.dsn)
    back.start()
    await back.publish(
        desk.about(EditReply, given["confirmed"], text=text.upper()), desk.about(ConfirmReply, given["unknown"])
    )
    await scene.reaches(given["confirmed"], "edit failed")  # nobody knows which message the first part is
    await scene.reaches(given["unknown"], "post sent")
    stop(back)
    assert {name: desk.telegram_posts(place) for name, place in dialogs.items()} == dict.fromkeys(
        dialogs, text.split("\n\n")
    )


async def test_what_has_no_receipt_is_looked_for_in_slack_and_unknown_in_telegram(
    scene: Scene, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk
    thread, dialog = desk.slack_channel(), desk.telegram_dialog()
    sent, unsent = desk.post(thread, "sent"), desk.post(thread, "not sent")
    perhaps = desk.post(dialog, "perhaps")
    waited = desk.post(dialog, "waited", conversation="cnv_waited")
    await desk.give(waited)
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        gone = scene.notifiers(lost)
        gone.start()
        await scene.reaches(waited, "post sent")
        stop(gone)
        await gone.publish(sent, unsent, perhaps, desk.about(EditReply, sent, text="sent, edited"))
    for post in (sent, perhaps):
        await scene.posted_behind_the_ledgers_back(post)

    said = await restore(scene, monkeypatch)
    assert "recovered: 3 posts were possibly sent" in said
    back = scene.notifiers(scene.dsn)
    back.start()
    await scene.reaches(sent, "edit sent")
    await scene.reaches(unsent, "post sent")
    await scene.reaches(perhaps, "post unknown")
    stop(back)
    assert desk.slack_posts(thread) == ["sent, edited", "not sent"]
    assert desk.telegram_posts(dialog) == ["waited", "perhaps"]
    assert "nothing was missing" in await restore(scene, monkeypatch)


async def test_where_nothing_is_newer_the_posts_that_will_go_out_are_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk
    await desk.give(desk.post(desk.slack_channel()), desk.post(desk.telegram_dialog()))
    await desk.database.close()
    await scene.notifiers(scene.dsn).publish(desk.post(desk.telegram_dialog()))
    said = await restore(scene, monkeypatch)
    assert "recovered: nothing was missing" in said
    assert "to come: 2 queued posts go out when the notifier starts" in said
    assert "to come: 1 records of chat.replies.v1 that the ledger hasn't read are taken in then" in said
    connection = await asyncpg.connect(scene.dsn)
    await connection.execute("UPDATE notifier.operations SET state = 'sending' WHERE channel_key LIKE 'slack:%'")
    await connection.close()
    said = await restore(scene, monkeypatch)
    assert "to come: 1 queued posts" in said
    assert "to come: 1 posts were being sent" in said


async def test_where_all_since_is_past_retention_the_notifier_goes_on_and_what_waited_may_have_been_sent(
    scene: Scene, postgres: EmbeddedPostgres, kafka_admin: AIOKafkaAdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk
    thread, dialog = desk.slack_channel(), desk.telegram_dialog()
    waited, before = desk.post(dialog, "waited"), desk.post(thread, "before")
    await desk.database.close()
    first = scene.notifiers(scene.dsn)
    first.start()
    await first.publish(before)
    await scene.reaches(before, "post sent")
    stop(first)
    desk.database = await Database.connect(scene.dsn, schema=SCHEMA, process="test", min_size=1, max_size=1)
    await desk.give(waited)
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        gone = scene.notifiers(lost)
        gone.start()
        since = [desk.post(thread, "since"), desk.post(thread, "since too")]
        await gone.publish(*since)
        for post in (waited, *since):
            await scene.reaches(post, "post sent")
        stop(gone)
    partitions = [
        TopicPartition(name, number)
        for name in ("chat.replies.v1", "chat.receipts.v1")
        for number in range(TOPICS[name].partitions)
    ]
    ends = await topic_reader.ends(scene.kafka.bootstrap_servers, partitions)
    await kafka_admin.delete_records({tp: RecordsToDelete(end) for tp, end in ends.items() if end})

    said = await restore(scene, monkeypatch)
    assert "not recovered: 2 records of chat.replies.v1 that notifier had not read are past retention" in said
    assert "recovered: 1 posts were possibly sent" in said
    back = scene.notifiers(scene.dsn)
    back.start()
    more = desk.post(thread, "more")
    await back.publish(more)
    await eventually(lambda: len(desk.slack_posts(thread)) == 4)
    stop(back)
    assert desk.slack_posts(thread) == ["before", "since", "since too", "more"]
    assert desk.telegram_posts(dialog) == ["waited"]
    assert "nothing was missing" in await restore(scene, monkeypatch)


async def test_a_receipt_of_a_forgotten_delivery_is_no_sign_of_a_ledger_set_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = scene.desk
    old, new = desk.post(desk.slack_channel()), desk.post(desk.telegram_dialog())
    await desk.database.close()
    first = scene.notifiers(scene.dsn)
    first.start()
    await first.publish(old)
    await scene.reaches(old, "post sent")
    await execute(scene.dsn, *(f"DELETE FROM notifier.{table}" for table in ("operations", "parts", "deliveries")))
    await first.publish(desk.about(EditReply, old, text="x", seen_version=3, conversation_id=old.conversation_id))
    await scene.reaches(old, "edit failed")
    stop(first)

    second = scene.notifiers(scene.dsn)
    second.start()
    await second.publish(new)
    await scene.reaches(new, "post sent")
    stop(second)
    assert "nothing was missing" in await restore(scene, monkeypatch)

    # Set back to before the edit, it is one; once restored, it is none.
    await execute(scene.dsn, "DELETE FROM notifier.forgotten")
    assert "not recovered: 1 deliveries" in await restore(scene, monkeypatch)
    assert "nothing was missing" in await restore(scene, monkeypatch)


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def test_what_was_put_aside_since_is_not_sent_and_holds_up_its_key_again(
    scene: Scene, postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one channel both letters were discarded since, in the other they wait."""
    desk = scene.desk
    monkeypatch.setenv("PARK_KEYS", "true")
    settled, held, free = desk.slack_channel("settled"), desk.slack_channel("held"), desk.slack_channel("free")
    outdated, waits, sent = desk.post(settled, "outdated"), desk.post(held, "waits"), desk.post(free, "sent")
    await desk.database.close()  # a database in use can't be copied
    async with backups.copied(postgres, scene.dsn) as lost:
        gone = scene.notifiers(lost)
        gone.start()
        for post in (outdated, waits):
            await gone.publish(desk.about(EditReply, desk.post(post.place), text="x"), post)  # of what never was
        await gone.publish(sent)
        await scene.reaches(sent, "post sent")
        await eventually(lambda: four_letters(scene))
        letters = await scene.letters()
        await scene.discard([one for one in letters if one.key == str(settled.channel.key).encode()])
        stop(gone)

    said = await restore(scene, monkeypatch)
    assert "recovered: 0 posts were possibly sent" in said
    assert "recovered: 2 records of chat.replies.v1 wait as dead letters" in said
    back = scene.notifiers(scene.dsn)
    back.start()
    more, behind, last = desk.post(settled, "more"), desk.post(held, "behind"), desk.post(free, "last")
    await back.publish(more, behind, last)
    for post in (more, last):
        await scene.reaches(post, "post sent")
    stop(back)
    assert (desk.slack_posts(settled), desk.slack_posts(held)) == (["more"], [])


async def four_letters(scene: Scene) -> bool:
    return len(await scene.letters()) == 4
