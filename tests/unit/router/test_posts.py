"""What a post means: each row of the decision table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.chat import ChannelType
from contracts.chat_events_v1 import ChatEvent
from contracts.keys import message_id_of
from contracts.ticket_commands_v1 import Role
from contracts.ticket_events_v1 import Status
from services.router.decide.decisions import Close, Ignore, PlacePost, RequestHistory, Speak
from tests.unit.router.makers import (
    ALICE,
    BOB,
    COURSE,
    DIALOG,
    DIRECT,
    FORUM,
    GROUP,
    MENTOR,
    OTHER_BOT,
    OURS,
    Chat,
    edit,
    moved,
    policy,
    post,
    renamed,
)

HOUR = 3600
BROADCAST = GROUP.model_copy(update={"type": ChannelType.BROADCAST})
GROUP_DIALOG = DIRECT.model_copy(update={"type": ChannelType.GROUP_DIALOG})
ROOT = post(ALICE, 0)
GROUP_ROOT = post(ALICE, 0, channel=GROUP)
RUDE_BOT_POLICY: Mapping[str, Any] = {"defaults": {"bots": ["B77"]}}


@dataclass(frozen=True)
class Row:
    """After `before`, `event` is decided by `rule`."""

    name: str
    event: ChatEvent
    rule: str
    before: list[ChatEvent] = field(default_factory=list)
    rules: Mapping[str, Any] = field(default_factory=dict)


TABLE = [
    Row("a customer's top-level post opens", ROOT, "open"),
    Row("a customer in a thread with a ticket appends", post(ALICE, 600, thread=0), "append_thread", [ROOT]),
    Row("another customer in that thread appends", post(BOB, 600, thread=0), "append_thread", [ROOT]),
    Row("a customer in a thread without a ticket opens there", post(ALICE, 600, thread=0), "open_in_thread"),
    Row(
        "a customer under the desk's announcement opens there",
        post(ALICE, 600, thread=0),
        "open_in_thread",
        [post(MENTOR, 0)],
    ),
    Row("a customer's first direct message opens", post(ALICE, 0, channel=DIRECT), "open_dialog"),
    Row("a later one appends", post(ALICE, HOUR, channel=DIRECT), "append_dialog", [post(ALICE, 0, channel=DIRECT)]),
    Row(
        "a thread inside a direct message is the same place",
        post(ALICE, HOUR, channel=DIRECT, thread=0),
        "append_dialog",
        [post(ALICE, 0, channel=DIRECT)],
    ),
    Row("a telegram dialog opens", post(ALICE, 0, channel=DIALOG), "open_dialog"),
    Row("a group direct message opens", post(ALICE, 0, channel=GROUP_DIALOG), "open_dialog"),
    Row("a forum topic opens", post(ALICE, 0, channel=FORUM, thread="4"), "open_topic"),
    Row(
        "a forum topic has one conversation, whoever writes",
        post(BOB, HOUR, channel=FORUM, thread="4"),
        "append_topic",
        [post(ALICE, 0, channel=FORUM, thread="4")],
    ),
    Row(
        "another topic opens its own",
        post(BOB, HOUR, channel=FORUM, thread="5"),
        "open_topic",
        [post(ALICE, 0, channel=FORUM, thread="4")],
    ),
    Row(
        "the general topic has one conversation",
        post(BOB, HOUR, channel=FORUM),
        "append_topic",
        [post(ALICE, 0, channel=FORUM)],
    ),
    Row("a post in a plain group opens", GROUP_ROOT, "open"),
    Row(
        "a reply to a message of a conversation appends",
        post(BOB, HOUR, channel=GROUP, reply_to=GROUP_ROOT.message_key),
        "append_reply",
        [GROUP_ROOT],
    ),
    Row(
        "a reply to a message of no conversation opens",
        post(BOB, HOUR, channel=GROUP, reply_to=GROUP_ROOT.message_key),
        "open",
        [post(MENTOR, 0, channel=GROUP)],
    ),
    Row(
        "the next picture of an album joins the first",
        post(ALICE, HOUR, channel=GROUP, album="A1"),
        "append_album",
        [post(ALICE, 0, channel=GROUP, album="A1"), post(BOB, 1, channel=GROUP)],
    ),
    Row("a broadcast is ignored", post(ALICE, 0, channel=BROADCAST), "broadcast"),
    Row("the desk in a thread with a ticket appends", post(MENTOR, 600, thread=0), "desk_reply", [ROOT]),
    Row("the desk in a thread without one is ignored", post(MENTOR, 600, thread=0), "desk_without_ticket"),
    Row("the desk top-level is ignored", post(MENTOR, 0), "desk_top_level"),
    Row("the desk right after a customer is ignored", post(MENTOR, 1), "desk_top_level", [ROOT]),
    Row(
        "the desk in a group dialog with a ticket appends",
        post(MENTOR, 60, channel=GROUP_DIALOG),
        "desk_reply",
        [post(ALICE, 0, channel=GROUP_DIALOG)],
    ),
    Row("the desk in its own dialog is ignored", post(MENTOR, 0, channel=DIRECT), "desk_without_ticket"),
    Row(
        "the desk replies to a group's message",
        post(MENTOR, 60, channel=GROUP, reply_to=GROUP_ROOT.message_key),
        "desk_reply",
        [GROUP_ROOT],
    ),
    Row("our own post is an echo", post(OURS, 60, thread=0), "echo", [ROOT]),
    Row(
        "a post with our delivery in its metadata is an echo",
        post(OTHER_BOT, 60, thread=0, delivery_id="rpl_1"),
        "echo",
        [ROOT],
    ),
    Row("another bot is ignored", post(OTHER_BOT, 0), "other_bot"),
    Row("another bot in a ticket's thread is ignored", post(OTHER_BOT, 60, thread=0), "other_bot", [ROOT]),
    Row("a bot that the policy lists opens", post(OTHER_BOT, 0), "open", rules=RUDE_BOT_POLICY),
    Row(
        "a bot listed by its person key opens", post(OTHER_BOT, 0), "open", rules={"defaults": {"bots": ["slack:U77"]}}
    ),
    Row("a bare /start is ignored", post(ALICE, 0, "/start", DIALOG), "start"),
    Row("a /start with words is a post", post(ALICE, 0, "/start course-12", DIALOG), "open_dialog"),
    Row("an unknown command in a dialog is a post", post(ALICE, 0, "/refund now", DIALOG), "open_dialog"),
    Row("/close in a thread with a ticket closes", post(ALICE, 60, "/close", thread=0), "close_by_customer", [ROOT]),
    Row("/close by the desk closes", post(MENTOR, 60, "/close", thread=0), "close_by_desk", [ROOT]),
    Row("/close among other words is a post", post(ALICE, 60, "please /close it", thread=0), "append_thread", [ROOT]),
    Row(
        "/close as a command closes",
        post(ALICE, 60, "/close", DIALOG),
        "close_by_customer",
        [post(ALICE, 0, "a", DIALOG)],
    ),
    Row("/close where no ticket ever was", post(ALICE, 60, "/close", DIALOG), "close_without_ticket"),
    Row("/close right after one's own post closes it", post(ALICE, 60, "/close"), "close_by_customer", [ROOT]),
    Row("the desk's top-level /close closes nothing", post(MENTOR, 60, "/close"), "close_without_ticket", [ROOT]),
    Row("where nothing opens, a post is ignored", ROOT, "open_on_never", rules={"defaults": {"open_on": "never"}}),
    Row(
        "where a reaction opens, a post is ignored",
        ROOT,
        "open_on_reaction",
        rules={"defaults": {"open_on": "reaction"}},
    ),
    Row(
        "where a mention opens, a post is ignored", ROOT, "open_on_mention", rules={"defaults": {"open_on": "mention"}}
    ),
    Row(
        "where a mention opens, a mention opens",
        post(ALICE, 0, mentions_us=True),
        "open",
        rules={"defaults": {"open_on": "mention"}},
    ),
    Row(
        "in a dialog everything is meant for us",
        post(ALICE, 0, channel=DIALOG),
        "open_dialog",
        rules={"defaults": {"open_on": "mention"}},
    ),
    Row(
        "where a keyword opens, a post without it is ignored",
        post(ALICE, 0, "helpless"),
        "open_on_keyword",
        rules={"defaults": {"open_on": "keyword", "keywords": ["help"]}},
    ),
    Row(
        "where a keyword opens, the keyword opens in any case",
        post(ALICE, 0, "HELP!"),
        "open",
        rules={"defaults": {"open_on": "keyword", "keywords": ["help"]}},
    ),
    Row(
        "in a conversation's thread nobody need mention us",
        post(BOB, 600, thread=0),
        "append_thread",
        [post(ALICE, 0, mentions_us=True)],
        {"defaults": {"open_on": "mention"}},
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_table(row: Row) -> None:
    chat = Chat(policy(**row.rules))
    for event in row.before:
        chat.say(event)
    assert _rule(chat.say(row.event)[0]) == row.rule


def _rule(decision: object) -> str:
    assert not isinstance(decision, Speak)
    return decision.rule  # type: ignore[attr-defined,no-any-return]


def test_a_thread_without_a_ticket_is_read_in() -> None:
    asked = post(BOB, 600, thread=0)
    placed, request, *rest = Chat().say(asked)
    assert isinstance(placed, PlacePost)
    assert placed.starts
    assert request == RequestHistory("read_thread", message_id_of(ROOT.message_key), asked.occurred_at)
    assert rest == []


def test_what_was_said_before_in_the_thread_becomes_its_context() -> None:
    chat = Chat()
    announcement = post(MENTOR, 0, "The lesson is out")
    assert chat.say(announcement)[0].rule == "desk_top_level"  # type: ignore[union-attr]
    asked = chat.place(post(BOB, 600, thread=0))
    for history in (
        post(MENTOR, 0, "The lesson is out", backfilled=True),
        post(OTHER_BOT, 10, "link checked", thread=0, backfilled=True),
        post(ALICE, 20, "thanks", thread=0, backfilled=True),
    ):
        context = chat.place(history)
        assert context.context
        assert context.open is None
        assert context.address == asked.address
        assert chat.say(history) == []


def test_history_read_again_decides_nothing_anew_but_context() -> None:
    chat = Chat()
    chat.say(post(MENTOR, 0))
    assert chat.say(post(MENTOR, 0, backfilled=True)) == []


def test_a_missed_message_of_a_thread_is_no_context() -> None:
    chat = Chat()
    chat.place(ROOT)
    missed = chat.place(post(BOB, 60, thread=0, backfilled=True))
    assert not missed.context
    assert missed.open is not None


def test_a_root_that_comes_after_its_reply_joins_it() -> None:
    chat = Chat()
    reply = chat.place(post(BOB, 5, thread=0))
    root = chat.place(ROOT)
    assert root.rule == "append_root"
    assert root.address == reply.address
    assert not root.context


def test_our_posts_in_history_are_echoes_too() -> None:
    chat = Chat()
    chat.place(post(BOB, 600, thread=0))
    assert chat.say(post(OURS, 10, thread=0, backfilled=True))[0].rule == "echo"  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [Status.SOLVED, Status.CLOSED])
@pytest.mark.parametrize(("seconds", "rule"), [(72 * HOUR, "reopen"), (72 * HOUR + 0.001, "follow_up")])
def test_after_the_end_a_message_reopens_or_follows_up(status: Status, seconds: float, rule: str) -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0, channel=DIALOG))
    chat.ticket_is(status, first, ended=100)
    again = chat.place(post(ALICE, 100 + seconds, channel=DIALOG))
    assert again.rule == rule
    assert again.starts == (rule == "follow_up")
    assert again.open is not None
    assert again.open.ticket_id != first.ticket_id
    assert again.seen is not None
    assert again.seen.status is status


@pytest.mark.parametrize("status", [Status.NEW, Status.OPEN, Status.PENDING, Status.ON_HOLD])
def test_an_active_ticket_is_appended_to(status: Status) -> None:
    chat = Chat()
    first = chat.place(post(ALICE, 0, channel=DIALOG))
    chat.ticket_is(status, first)
    again = chat.place(post(ALICE, 1000 * HOUR, channel=DIALOG))
    assert (again.rule, again.ticket_id) == ("append_dialog", first.ticket_id)


def test_a_message_after_comment_deleted_is_appended() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    chat.ticket_is(Status.COMMENT_DELETED, first)
    assert chat.place(post(ALICE, 999 * HOUR, thread=0)).rule == "append_to_deleted"


def test_ticketing_can_open_whatever_the_view_showed() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    appended = chat.place(post(ALICE, 60, thread=0))
    assert appended.open is not None
    assert appended.open.ticket_id not in {first.ticket_id, appended.ticket_id}


def test_the_desk_opens_and_reopens_nothing() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    chat.ticket_is(Status.SOLVED, first, ended=10)
    staff = chat.place(post(MENTOR, 60, thread=0))
    assert (staff.role, staff.agent_id, staff.open) == (Role.DESK, "agt_mentor", None)


def test_a_listed_bot_asks_like_a_customer() -> None:
    placed = Chat(policy(**RUDE_BOT_POLICY)).place(post(OTHER_BOT, 0))
    assert placed.role is Role.BOT
    assert placed.open is not None


def test_where_nothing_opens_any_more_a_message_is_kept_without_opening() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    chat.ticket_is(Status.CLOSED, first, ended=10)
    chat.policy = policy(defaults={"open_on": "never"})
    late = chat.place(post(ALICE, 60, thread=0))
    assert (late.rule, late.open) == ("append_to_ended", None)


def test_a_message_is_placed_once() -> None:
    chat = Chat()
    chat.place(ROOT)
    assert chat.say(ROOT) == []
    chat.view.rules.clear()  # the decision record was forgotten, the message was not
    assert chat.say(ROOT)[0].rule == "placed_before"  # type: ignore[union-attr]


def test_close_leads_to_the_places_ticket() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    (close,) = chat.say(post(ALICE, 60, "/close", thread=0))
    assert close == Close("close_by_customer", Role.CUSTOMER, first.address.key, first.ticket_id)
    assert chat.view.message(post(ALICE, 60, thread=0).message_key) is None


def test_how_to_post_into_each_kind_of_place() -> None:
    chat = Chat()
    assert chat.place(ROOT).address.thread == message_id_of(ROOT.message_key)
    assert chat.place(post(ALICE, 0, channel=DIRECT)).address.thread is None
    topic = chat.place(post(ALICE, 0, channel=FORUM, thread="4")).address
    assert (topic.key, topic.thread) == (f"{FORUM.key}/4", "4")
    general = chat.place(post(ALICE, 5, channel=FORUM)).address
    assert (general.key, general.thread) == (f"{FORUM.key}/general", None)
    group = chat.place(GROUP_ROOT).address
    assert (group.thread, group.reply_to) == (None, GROUP_ROOT.message_key)
    reply = chat.place(post(BOB, 9, channel=GROUP, reply_to=GROUP_ROOT.message_key))
    assert reply.address == group


def test_the_policys_queue_priority_and_tags_open_the_ticket() -> None:
    rules = policy(
        defaults={"queue": "support", "tags": ["chat"]},
        overrides=[{"match": {"name": "course-*"}, "queue": "studies", "priority": "high", "reopen_within": "1h"}],
    )
    opening = Chat(rules).place(ROOT).open
    assert opening is not None
    assert (opening.queue, opening.priority, opening.tags) == ("studies", "high", ("chat",))
    assert opening.reopen_within.total_seconds() == HOUR


def test_an_ignored_post_says_why() -> None:
    decision = Chat().say(post(OTHER_BOT, 0))[0]
    assert isinstance(decision, Ignore)
    assert decision.reason


def test_edits_do_not_open_anything() -> None:
    chat = Chat()
    assert all(not isinstance(one, PlacePost) for one in chat.say(edit(ROOT, 5, "help")))


def test_a_place_of_a_channel_that_changed_its_id_is_found() -> None:
    chat = Chat()
    first = chat.place(ROOT)
    new = renamed(COURSE, "slack:C99")
    assert chat.say(moved(COURSE, new))[0].rule == "channel_moved"  # type: ignore[union-attr]
    later = chat.place(post(ALICE, 600, channel=new, thread=0))
    assert later.conversation_id == first.conversation_id
    assert later.address == first.address
