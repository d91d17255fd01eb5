"""Replies to our posts in a plain group, decided before a receipt has named the post's message."""

import pytest

from contracts.chat import Channel
from contracts.ticket_commands_v1 import Role
from services.router.decide.decisions import PlacePost
from services.router.decide.known import KnownMessage, UnnamedPost
from tests.unit.router.makers import ALICE, BOB, COURSE, DIALOG, FORUM, GROUP, MENTOR, OURS, Chat, at, post

HOUR = 3600
GROUP_ROOT = post(ALICE, 0, channel=GROUP)


def a_group_with_an_answer_on_its_way(began: float = 590, ended: float | None = None) -> tuple[Chat, PlacePost]:
    """Alice's question, and an answer to it whose message no receipt has named."""
    chat = Chat()
    question = chat.place(GROUP_ROOT)
    chat.view.unnamed_posts[GROUP.key] = [
        UnnamedPost(question.conversation_id, question.address.key, at(began), None if ended is None else at(ended))
    ]
    return chat, question


ANSWER = post(OURS, 600, "we look at it", GROUP).message_key


@pytest.mark.parametrize(
    ("began", "ended", "ours", "rule"),
    [
        (590, None, 600, "append_reply_to_unnamed"),
        (590, 620, 600, "append_reply_to_unnamed"),
        (660, None, 600, "append_reply_to_unnamed"),  # the platform's clock is a minute behind
        (530, 540, 600, "append_reply_to_unnamed"),  # and here a minute ahead
        (661, None, 600, "open"),
        (530, 539, 600, "open"),
        (590, None, None, "open"),
    ],
)
def test_a_reply_to_a_post_that_no_receipt_has_named_goes_where_we_were_posting(
    began: float, ended: float | None, ours: float | None, rule: str
) -> None:
    chat, question = a_group_with_an_answer_on_its_way(began, ended)
    our_post_at = None if ours is None else at(ours)
    reply = chat.place(post(BOB, HOUR, "thanks", GROUP, reply_to=ANSWER, our_post_at=our_post_at))
    assert reply.rule == rule
    assert (reply.address == question.address) == (rule != "open")


def test_a_reply_to_an_unnamed_post_that_may_be_of_two_conversations_opens() -> None:
    chat, _ = a_group_with_an_answer_on_its_way()
    other = chat.place(post(BOB, 300, channel=GROUP))
    unnamed = chat.view.unnamed_posts[GROUP.key]
    unnamed.append(UnnamedPost(other.conversation_id, other.address.key, at(599), None))
    reply = post(BOB, HOUR, "thanks", GROUP, reply_to=ANSWER, our_post_at=at(600))
    assert chat.place(reply).rule == "open"
    del unnamed[0]
    again = post(BOB, 3 * HOUR, "thanks", GROUP, reply_to=ANSWER, our_post_at=at(600))
    assert chat.place(again).address == other.address


def test_a_reply_to_a_post_that_a_receipt_has_named_asks_nothing_else() -> None:
    chat, _ = a_group_with_an_answer_on_its_way()
    chat.view.messages[ANSWER] = KnownMessage(ANSWER, "cnv_answer", None, Role.BOT, True, "", at(600))
    assert chat.place(post(BOB, HOUR, "thanks", GROUP, reply_to=ANSWER, our_post_at=at(600))).rule == "open"


def test_the_desk_replies_to_an_unnamed_post_in_its_conversation() -> None:
    chat, question = a_group_with_an_answer_on_its_way()
    reply = chat.place(post(MENTOR, HOUR, "fixed now", GROUP, reply_to=ANSWER, our_post_at=at(600)))
    assert (reply.rule, reply.address) == ("desk_reply", question.address)


@pytest.mark.parametrize(("channel", "thread"), [(DIALOG, None), (FORUM, "4"), (FORUM, None), (COURSE, 0)])
def test_dialogs_topics_and_threads_need_no_receipt(channel: Channel, thread: float | str | None) -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0, channel=channel, thread=None if thread == 0 else thread))
    unnamed = post(OURS, 600, "we look at it", channel).message_key
    reply = chat.place(post(ALICE, HOUR, "thanks", channel, thread=thread, reply_to=unnamed))
    assert reply.conversation_id == first.conversation_id
