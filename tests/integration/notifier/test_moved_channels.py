"""A channel got another key: what was handed over under the old one reaches the channel as it is called now."""

from __future__ import annotations

import pytest

from contracts import keys
from contracts.chat import Place
from contracts.chat_replies_v1 import DeleteReply, EditReply, PostReply, ResendReply
from contracts.keys import ChannelKey
from services.notifier import pauses
from tests.integration.notifier.conftest import Desk, eventually

OLD_PARTITION, NEW_PARTITION = 0, 1


def renamed(desk: Desk, place: Place) -> Place:
    """The place after Slack gave its channel another id; the old one is unknown to Slack from now on."""
    channel = desk.slack.workspace.channel(keys.native_channel(place.channel.key))
    desk.slack.places.change_channel_id(channel)
    key = keys.slack_channel(channel.id)
    return place.model_copy(
        update={
            "key": keys.place_key(key, place.thread),
            "channel": place.channel.model_copy(update={"key": key}),
        }
    )


def after_move(post: PostReply, key: ChannelKey) -> PostReply:
    """As ticketing hands over a reply of a conversation that began under `key`."""
    return post.model_copy(update={"channel_key": key, "moved_to": post.place.channel.key})


async def test_changes_of_an_older_reply_reach_it_where_it_is_now(desk: Desk) -> None:
    old = desk.slack_channel()
    edited, deleted = desk.post(old, "old text"), desk.post(old, "a mistake")
    async with desk.dispatching():
        await desk.give(edited, deleted)
        await desk.reaches(deleted, "post sent")
        new = renamed(desk, old)
        where = new.channel.key
        await desk.give(
            desk.about(EditReply, edited, text="new text", moved_to=where),
            desk.about(DeleteReply, deleted, moved_to=where),
        )
        receipt = await desk.reaches(edited, "edit sent")
        await desk.reaches(deleted, "delete sent")
    assert desk.slack_posts(new) == ["new text"]
    assert receipt.channel_key == old.channel.key  # receipts keep the order of the delivery's life


async def test_a_change_before_its_post_was_sent_finds_it_in_the_ledger(desk: Desk) -> None:
    """Post and edit have one key, so the ledger has them in this order, whichever name the channel has."""
    old = desk.slack_channel()
    post = desk.post(old, "first draft")
    new = renamed(desk, old)
    await desk.give(post, desk.about(EditReply, post, text="as meant", moved_to=new.channel.key))
    async with desk.dispatching():
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(new) == ["as meant"]


async def test_replies_written_before_and_after_the_move_keep_their_order(desk: Desk) -> None:
    """The first waits for its turn when the channel moves; the second tells where both go."""
    old = desk.slack_channel()
    before = desk.post(old, "before", conversation="cnv_1")
    await desk.give(before, partition=OLD_PARTITION)
    new = renamed(desk, old)
    after = after_move(desk.post(new, "after", conversation="cnv_1"), old.channel.key)
    # Another notifier owns what has the new key: a conversation of its own, which waits for nobody.
    other = desk.post(new, "elsewhere", conversation="cnv_2")
    async with desk.dispatching((NEW_PARTITION,)):
        await desk.give(after, partition=OLD_PARTITION)
        await desk.give(other, partition=NEW_PARTITION)
        await desk.reaches(other, "post sent")
        assert (await desk.state(before), await desk.state(after)) == ("post queued", "post queued")
        async with desk.dispatching((OLD_PARTITION,)):
            await desk.reaches(after, "post sent")
    assert desk.slack_posts(new) == ["elsewhere", "before", "after"]


async def test_a_reply_refused_under_the_old_name_is_sent_again_under_the_new_one(desk: Desk) -> None:
    old = desk.slack_channel()
    post = desk.post(old, "hello")
    new = renamed(desk, old)
    async with desk.dispatching():
        await desk.give(post)
        failed = await desk.reaches(post, "post failed")
        assert failed.error is not None
        await desk.give(desk.about(ResendReply, post, moved_to=new.channel.key))
        await desk.reaches(post, "post sent")
    assert desk.slack_posts(new) == ["hello"]


async def test_a_channel_that_moves_again_is_followed(desk: Desk) -> None:
    first = desk.slack_channel()
    post = desk.post(first, "1", conversation="cnv_1")
    async with desk.dispatching():
        await desk.give(post)
        await desk.reaches(post, "post sent")
        second = renamed(desk, first)
        later = after_move(desk.post(second, "2", conversation="cnv_1"), first.channel.key)
        begun_there = desk.post(second, "3", conversation="cnv_2")
        await desk.give(later, begun_there)
        await desk.reaches(later, "post sent")
        await desk.reaches(begun_there, "post sent")
        third = renamed(desk, second)
        # Only one conversation says so; the others follow.
        await desk.give(desk.about(EditReply, later, text="2, edited", moved_to=third.channel.key))
        await desk.give(desk.about(EditReply, begun_there, text="3, edited"))
        await desk.reaches(later, "edit sent")
        await desk.reaches(begun_there, "edit sent")
    assert sorted(desk.slack_posts(third)) == ["1", "2, edited", "3, edited"]


async def test_conversations_of_both_names_share_the_channel_s_limits(desk: Desk) -> None:
    old = desk.slack_channel()
    new = renamed(desk, old)
    posts = [after_move(desk.post(new, f"{n}", conversation=f"cnv_old_{n}"), old.channel.key) for n in range(3)]
    posts += [desk.post(new, f"{n}", conversation=f"cnv_new_{n}") for n in range(3, 6)]
    async with desk.dispatching():
        await desk.give(*posts)
        for post in posts:
            await desk.reaches(post, "post sent")
    assert set(desk.calls("chat.postMessage")) == {"ok"}


@pytest.mark.parametrize("paused", ["old", "new"])
async def test_a_pause_holds_a_channel_under_either_name(desk: Desk, paused: str) -> None:
    old = desk.slack_channel()
    new = renamed(desk, old)
    begun_before = after_move(desk.post(new, conversation="cnv_1"), old.channel.key)
    begun_after = desk.post(new, conversation="cnv_2")
    scope = (old if paused == "old" else new).channel.key
    async with desk.database.transaction() as connection:
        await pauses.pause(connection, scope, reason="incident", by="lead")
    other = desk.post(desk.slack_channel("busy"))
    async with desk.dispatching() as dispatcher:
        await desk.give(begun_before, begun_after, other)
        await desk.reaches(other, "post sent")
        assert (await dispatcher.turn()).leased == 0
        async with desk.database.transaction() as connection:
            assert [one.waiting for one in await pauses.paused(connection)] == [2]
            assert await pauses.resume(connection, scope)
        dispatcher.wake()
        await desk.reaches(begun_before, "post sent")
        await desk.reaches(begun_after, "post sent")


async def test_a_message_of_the_group_is_not_quoted_in_its_supergroup(desk: Desk) -> None:
    """There its number is another message's."""
    ada = desk.telegram.world.add_person("Ada", user_id=5)
    group = desk.telegram.actions.create_group("Group", creator=ada, kind="group")
    place = desk.telegram_place(group.id)
    place = place.model_copy(update={"reply_to": keys.message_key(place.channel.key, 1)})
    quoting = desk.post(place, "before")
    async with desk.dispatching():
        await desk.give(quoting)
        await desk.reaches(quoting, "post sent")
        desk.telegram.actions.migrate(group.id, by=ada)
        moved = desk.post(place, "after")
        await desk.give(moved)
        await desk.reaches(moved, "post sent")
        await eventually(lambda: len(_quotes(desk)) == 3)
    assert [quote is not None for quote in _quotes(desk)] == [True, True, False]  # quoted, refused as moved, not quoted


def _quotes(desk: Desk) -> list[object]:
    return [
        call["arguments"].get("reply_parameters") for call in desk.telegram.calls if call["method"] == "sendMessage"
    ]
