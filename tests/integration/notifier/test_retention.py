"""What the notifier forgets in time, what it keeps, and that a late duplicate posts nothing."""

from datetime import UTC, datetime, timedelta

from chassis.clock import ManualClock
from chassis.pruning import REPEATABLE_DAYS, Pruner
from chassis.settings import read
from contracts.chat_replies_v1 import EditReply
from services.notifier import retention
from services.notifier.settings import NotifierSettings
from tests.integration.notifier.conftest import Desk, Dying, eventually

ENVIRONMENT = {"DATABASE_URL": "postgresql://x@y/z", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092"}


async def prune(desk: Desk, days: float) -> dict[str, int]:
    """A turn of the pruner in so many days."""
    clock = ManualClock(datetime.now(UTC) + timedelta(days=days))
    rules = retention.rules(read(NotifierSettings, ENVIRONMENT), {"notifier": ["chat.replies.v1"]})
    removed = await Pruner(desk.database, rules, clock=clock).prune()
    return {name: number for name, number in removed.items() if number and name != "buckets"}


async def count(desk: Desk, table: str) -> int:
    found: int = await desk.database.pool.fetchval(f"SELECT count(*) FROM {table}")
    return found


async def test_a_late_duplicate_posts_nothing_as_long_as_it_may_come(desk: Desk) -> None:
    post = desk.post(desk.slack_channel())
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        assert await prune(desk, REPEATABLE_DAYS) == {}
        await desk.give(post)
        assert await prune(desk, 41) == {"instructions": 1}
        await desk.give(post)  # the ledger still knows the delivery
        later = desk.post(post.place, "done")
        await desk.give(later)
        await desk.reaches(later, "post sent")
    assert desk.slack_posts(post.place) == [post.text, "done"]


async def test_a_finished_delivery_goes_whole(desk: Desk) -> None:
    post = desk.post(desk.slack_channel())
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await desk.give(desk.about(EditReply, post, text="better", mentions=()))
        await desk.reaches(post, "edit sent")
    assert "deliveries" not in await prune(desk, 364)
    assert (await prune(desk, 366))["deliveries"] == 1
    assert [await count(desk, table) for table in ("deliveries", "operations", "parts")] == [0, 0, 0]


async def test_a_forgotten_delivery_s_version_is_kept_as_long_as_its_last_receipt_may_come(desk: Desk) -> None:
    old = desk.post(desk.slack_channel())
    edit = desk.about(EditReply, old, text="x", seen_version=3, conversation_id=old.conversation_id)
    await desk.give(edit)
    assert "forgotten" not in await prune(desk, REPEATABLE_DAYS)
    assert (await prune(desk, 41))["forgotten"] == 1


async def test_what_waits_or_is_unknown_stays_whatever_its_age(desk: Desk) -> None:
    waiting, doubtful = desk.post(desk.slack_channel()), desk.post(desk.telegram_dialog())
    dying = Dying(desk, posts=True)
    async with desk.dispatching(senders={doubtful.place.channel.platform: dying}):
        await desk.give(doubtful)
        await dying.died.wait()
    async with desk.dispatching():
        await desk.reaches(doubtful, "post unknown")
    await desk.give(waiting)
    assert "deliveries" not in await prune(desk, 4000)
    assert await count(desk, "deliveries") == 2


async def test_a_delivery_in_somebodys_hand_is_skipped(desk: Desk) -> None:
    post = desk.post(desk.slack_channel())
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
    async with desk.database.transaction() as connection:
        await connection.execute("SELECT FROM deliveries FOR UPDATE")
        assert "deliveries" not in await prune(desk, 400)
    assert (await prune(desk, 400))["deliveries"] == 1


async def test_full_buckets_go_and_are_made_again(desk: Desk) -> None:
    post = desk.post(desk.slack_channel())
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        await prune(desk, 2)
        assert await count(desk, "buckets") == 0
        again = desk.post(post.place, "again")
        await desk.give(again)
        await desk.reaches(again, "post sent")

        async def made() -> bool:
            return await count(desk, "buckets") == 1

        await eventually(made)
