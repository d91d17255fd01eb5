"""Subjects, permalinks, cursors, legal instructions, aliases."""

from datetime import UTC, datetime

import pytest

from contracts.chat import Attachment, Author
from contracts.keys import ChannelKey, MessageKey, PersonKey
from contracts.ticket_commands_v1 import ChatMessage, Role
from services.ticketing.api.cursors import decode, encode
from services.ticketing.api.problems import Problem
from services.ticketing.api.views import permalink
from services.ticketing.domain.book import Aliases
from services.ticketing.domain.deliveries import LEGAL, IllegalInstruction, check_instruction
from services.ticketing.domain.placing import subject_of
from services.ticketing.domain.ticket import AuthorKind, Delivery, Message, MessageKind
from services.ticketing.store.rows import to_json

AT = datetime(2026, 11, 23, tzinfo=UTC)


def chat(text: str, *attachments: str) -> ChatMessage:
    return ChatMessage(
        message_key=MessageKey("slack:C1:1.1"),
        author=Author(key=PersonKey("slack:U1")),
        role=Role.CUSTOMER,
        text=text,
        sent_at=AT,
        attachments=tuple(Attachment(id=name, name=name) for name in attachments),
    )


@pytest.mark.parametrize(
    ("text", "files", "subject"),
    [
        ("One\ntwo", (), "One"),
        ("\n \t\n  spaced \u00a0 out  \nmore", (), "spaced out"),
        ("x" * 300, (), "x" * 119 + "…"),
        ("x" * 120, (), "x" * 120),
        ("", ("photo.png",), "photo.png"),
        (" \n ", (), "(no text)"),
        ("[forwarded from Ann]\nThe printer burns\nmore", (), "The printer burns"),
        ("[forwarded from Ann]", ("photo.png",), "photo.png"),
        ("[forwarded from Ann]\n> earlier\nThe printer burns", (), "The printer burns"),
        ("> We have mended it.\nIt burns again", (), "It burns again"),
        ("> Ann: It burns\nhttps://x.slack.com/archives/C1/p1", (), "Ann: It burns"),
        ("> Ann: It burns", ("photo.png",), "photo.png"),
    ],
)
def test_the_subject_is_the_first_line_of_own_words(text: str, files: tuple[str, ...], subject: str) -> None:
    assert subject_of(chat(text, *files)) == subject


@pytest.mark.parametrize(
    ("key", "thread", "link"),
    [
        ("slack:C1:1716300000.000100", None, "https://slack.com/archives/C1/p1716300000000100"),
        ("slack:C1:2.000001", "2.000001", "https://slack.com/archives/C1/p2000001"),
        ("slack:C1:3.000001", "2.000001", "https://slack.com/archives/C1/p3000001?thread_ts=2.000001&cid=C1"),
        ("telegram:7:-1001234:55", None, "https://t.me/c/1234/55"),
        ("telegram:7:4711:55", None, None),
        ("telegram:7:-99:55", None, None),
    ],
)
def test_permalinks_exist_where_the_platform_has_them(key: str, thread: str | None, link: str | None) -> None:
    assert permalink(key, thread, None) == link


@pytest.mark.parametrize("operation", sorted(LEGAL))
@pytest.mark.parametrize("state", ["queued", "sending", "sent", "unknown", "failed", "cancelled"])
def test_only_legal_instructions_are_given(operation: str, state: str) -> None:
    legal = {
        "edit": {"queued", "sending", "sent", "unknown", "failed"},
        "delete": {"queued", "sending", "sent", "unknown", "failed"},
        "resend": {"unknown", "failed"},
        "confirm": {"unknown"},
        "cancel": {"queued", "sending", "unknown", "failed"},
    }
    reply = Message("rpl_1", "tkt_1", MessageKind.REPLY, AuthorKind.AGENT, "x", AT, delivery=Delivery(state=state))
    if state in legal[operation]:
        check_instruction(reply, operation)
        return
    with pytest.raises(IllegalInstruction, match=state):
        check_instruction(reply, operation)


def test_what_a_cancelled_long_reply_left_in_the_chat_may_be_deleted() -> None:
    torso = Delivery(state="cancelled", message_keys=(MessageKey("slack:C1:1.000001"),))
    reply = Message("rpl_1", "tkt_1", MessageKind.REPLY, AuthorKind.AGENT, "x", AT, delivery=torso)
    check_instruction(reply, "delete")
    for operation in sorted(set(LEGAL) - {"delete"}):
        with pytest.raises(IllegalInstruction, match="possible now: delete"):
            check_instruction(reply, operation)


def test_a_cursor_comes_back_as_it_went() -> None:
    cursor = encode("messages", [AT.isoformat(), 7, "slack:C1:1.1"])
    assert decode(cursor, "messages", (datetime, int, str)) == [AT, 7, "slack:C1:1.1"]
    assert decode(None, "messages", (datetime, int, str)) is None
    for order, kinds in (("history", (datetime, int, str)), ("messages", (int, int, str)), ("messages", (str,))):
        with pytest.raises(Problem):
            decode(cursor, order, kinds)


def test_aliases_follow_chains_for_slack_only() -> None:
    aliases = Aliases([("slack:A", "slack:B")])
    aliases.add(ChannelKey("slack:B"), ChannelKey("slack:C"))
    aliases.add(ChannelKey("telegram:7:-1"), ChannelKey("telegram:7:-1002"))
    assert aliases.current("slack:A") == aliases.current("slack:B") == "slack:C"
    assert aliases.place("slack:A/1.1") == "slack:C/1.1"
    assert set(aliases.message_keys("slack:C:1.1")) == {"slack:A:1.1", "slack:B:1.1", "slack:C:1.1"}
    assert aliases.place("telegram:7:-1/5") == "telegram:7:-1/5"
    assert aliases.message_keys("telegram:7:-1:5") == ["telegram:7:-1:5"]


def test_json_for_the_database_holds_no_nul() -> None:
    assert to_json({"a": "x\0y"}) == '{"a":"x\\ufffdy"}'
