"""Edits, deletions, reactions and closing in the chat."""

from typing import Any

import pytest

from contracts.chat import Attachment, Author
from contracts.keys import MessageKey
from contracts.ticket_commands_v1 import CloseTicket, RecordReaction, RemoveMessage, ReviseMessage, Role
from services.ticketing.domain.ticket import CARRIED
from tests.integration.ticketing.desk import (
    STUDENT,
    Desk,
    common,
    key_at,
    later,
    place_message,
    slack_author,
    slack_place,
    telegram_place,
)

PLACE = slack_place()


def revise(key: MessageKey, text: str, seconds: float = 60, *files: Attachment) -> ReviseMessage:
    return ReviseMessage(
        **common(f"{key}:edited:{seconds}:{text}", PLACE.channel.key),
        message_key=key,
        text=text,
        edited_at=later(seconds),
        attachments=files,
    )


def remove(key: MessageKey, seconds: float = 60) -> RemoveMessage:
    return RemoveMessage(**common(f"{key}:deleted", PLACE.channel.key), message_key=key, deleted_at=later(seconds))


def react(
    key: MessageKey, name: str, seconds: float, *, added: bool = True, person: Author = STUDENT, **whose: Any
) -> RecordReaction:
    return RecordReaction(
        **common(f"{key}:reaction:{person.key}:{name}:{added}:{seconds}", PLACE.channel.key),
        message_key=key,
        person=person,
        name=name,
        added=added,
        at=later(seconds),
        **whose,
    )


def close(seconds: float = 60, *, role: Role = Role.CUSTOMER) -> CloseTicket:
    command = common(f"close:{seconds}", PLACE.channel.key)
    return CloseTicket(**command, place_key=PLACE.key, by=STUDENT, role=role, at=later(seconds))


async def test_an_edit_keeps_the_old_text(desk: Desk) -> None:
    first = place_message(PLACE, "one")
    key = first.message.message_key
    await desk.apply(first, revise(key, "two", 1))
    await desk.apply(revise(key, "three", 2))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert message["text"] == "three"
    assert [former["text"] for former in message["revisions"]] == ["one", "two"]
    assert message["edited_at"] is not None
    assert [entry["kind"] for entry in await desk.history(ticket["id"])] == [
        "opened",
        "message_revised",
        "message_revised",
    ]
    assert (await desk.said("ticket.events.v1"))[-1].message.revisions[0].text == "one"


async def test_an_edit_of_the_files_alone_is_none_of_the_text(desk: Desk) -> None:
    plan, bill = Attachment(id="F1", name="plan.pdf", size=9), Attachment(id="F2", name="bill.pdf", url="https://x/F2")
    first = place_message(PLACE, "one", attachments=(plan,))
    key = first.message.message_key
    await desk.apply(first, revise(key, "one", 1, bill))
    await desk.apply(revise(key, "two", 4))
    await desk.apply(revise(key, "two", 3, plan))  # came late: what it said is said
    await desk.apply(revise(key, "two", 6, plan.model_copy(update={"url": "https://x/F1"})))
    await desk.apply(revise(key, "two", 7, plan))  # the same file under another address

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert ([one["id"] for one in message["attachments"]], message["text"]) == (["F1"], "two")
    assert [former["text"] for former in message["revisions"]] == ["one"]
    named = {one.id: {"id": one.id, "name": one.name} for one in (plan, bill)}
    assert [entry["changes"] for entry in (await desk.history(ticket["id"]))[1:]] == [
        {"attachments": {"old": [named["F1"]], "new": [named["F2"]]}},
        {"text": {"old": "one", "new": "two"}, "attachments": {"old": [named["F2"]], "new": []}},
        {},
        {"attachments": {"old": [], "new": [named["F1"]]}},
        {},
    ]


async def test_however_often_a_message_is_edited_its_events_fit_a_record(desk: Desk) -> None:
    long = "x" * 150_000
    first = place_message(PLACE, "0")
    key = first.message.message_key
    edits = [revise(key, f"{n}{long if n > 20 else ''}", n) for n in range(1, 60)]
    await desk.apply(first, *edits[:20])
    await desk.apply(*edits[20:40])
    await desk.apply(*edits[40:], react(key, "eyes", 70))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert [former["text"].rstrip("x") for former in message["revisions"]] == [str(n) for n in range(59)]
    carried = [[former.number for former in one.message.revisions] for one in await desk.said("ticket.events.v1")]
    assert carried[:21] == [list(range(n)) for n in range(21)]
    assert carried[21] == list(range(1, 21)), "twenty"
    assert carried[-2:] == [[58], [58]], "two of these are too much, one is always there"


_OFFERED = """
CREATE TABLE offered (number int);
CREATE FUNCTION offer() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN INSERT INTO offered VALUES (new.number); RETURN new; END';
CREATE TRIGGER offer BEFORE INSERT ON revisions FOR EACH ROW EXECUTE FUNCTION offer()"""
_READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables
WHERE schemaname = current_schema AND relname = 'revisions'"""


async def test_a_change_reads_the_latest_former_texts_and_writes_its_own(desk: Desk) -> None:
    """However many a message has: 1,000, and a batch of more than are read; the API shows 100."""
    first = place_message(PLACE, "0")
    key = first.message.message_key
    await desk.apply(first, revise(key, "1000", 1000))
    await desk.database.pool.execute(
        "INSERT INTO revisions SELECT $1, n, n::text, $2 FROM generate_series(1, 999) n", key, later(1)
    )
    await desk.database.pool.execute("UPDATE messages SET revision_count = 1000")
    await desk.database.pool.execute(f"ANALYZE revisions; {_OFFERED}")

    async with desk.in_hand(revise(key, "1001", 1001)) as connection:
        assert await connection.fetchval(_READ) == CARRIED
    await desk.apply(react(key, "eyes", 1002))
    offered = [row[0] for row in await desk.database.pool.fetch("SELECT number FROM offered ORDER BY 1")]
    assert offered == [1000]
    edits = [revise(key, str(n), n) for n in range(1003, 1033)]
    await desk.apply(*edits)
    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    former = ["0", *map(str, range(1, 1002)), *map(str, range(1003, 1032))]
    assert [one["text"] for one in message["revisions"]] == former[-100:]

    stored = await desk.database.pool.fetch("SELECT number, text FROM revisions ORDER BY number")
    assert [tuple(row) for row in stored] == list(enumerate(former))
    assert await desk.database.pool.fetchval("SELECT revision_count FROM messages") == len(former)
    carried = [one.number for one in (await desk.said("ticket.events.v1"))[-1].message.revisions]
    assert carried == list(range(len(former)))[-CARRIED:]


async def test_an_edit_that_arrives_late_goes_into_the_history_only(desk: Desk) -> None:
    first = place_message(PLACE, "one")
    key = first.message.message_key
    await desk.apply(first, revise(key, "third", 3), revise(key, "second", 2))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert message["text"] == "third"
    assert [former["text"] for former in message["revisions"]] == ["one", "second"]


async def test_an_edit_to_the_same_text_makes_older_ones_late(desk: Desk) -> None:
    first = place_message(PLACE, "last")
    key = first.message.message_key
    await desk.apply(first, revise(key, "last", 3))
    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert (message["text"], message["revisions"]) == ("last", [])
    assert message["edited_at"] == later(3).isoformat().replace("+00:00", "Z")

    await desk.apply(revise(key, "second", 2), revise(key, "last", 3), revise(key, "last", 3))
    (message,) = await desk.messages(ticket["id"])
    assert message["text"] == "last"
    assert [former["text"] for former in message["revisions"]] == ["second"]
    assert [entry["kind"] for entry in await desk.history(ticket["id"])] == [
        "opened",
        "message_revised",
        "message_revised",
    ]


async def test_an_edit_of_an_unknown_message_changes_nothing(desk: Desk) -> None:
    await desk.apply(place_message(PLACE, "one"))
    await desk.apply(revise(key_at(PLACE, later(5)), "who?"))

    (ticket,) = await desk.tickets()
    assert ticket["version"] == 1


async def test_a_deleted_opening_message_makes_the_ticket_closable(desk: Desk) -> None:
    first = place_message(PLACE, "one")
    await desk.apply(first, place_message(PLACE, "two", at=later(1)), remove(first.message.message_key))

    (ticket,) = await desk.tickets()
    assert ticket["status"] == "comment_deleted"
    message, _ = await desk.messages(ticket["id"])
    assert message["deleted_at"] is not None
    assert message["text"] == "one"


async def test_the_last_remaining_customer_message_counts_too(desk: Desk) -> None:
    first, second, third = (place_message(PLACE, str(n), at=later(n)) for n in range(3))
    await desk.apply(first, second, remove(second.message.message_key))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "new"
    await desk.apply(remove(first.message.message_key), third)
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "open"
    await desk.apply(remove(third.message.message_key))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "comment_deleted"


async def test_a_deletion_leaves_an_ended_ticket_ended(desk: Desk) -> None:
    first = place_message(PLACE, "one")
    await desk.apply(first)
    (ticket,) = await desk.tickets()
    await desk.patch(ticket, status="solved")
    await desk.apply(remove(first.message.message_key))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "solved"


async def test_a_deleted_staff_message_changes_no_status(desk: Desk) -> None:
    mentor = slack_author("U7", "Max")
    answer = place_message(PLACE, "see page 3", at=later(1), author=mentor, role=Role.DESK, agent_id="agt_1")
    await desk.apply(place_message(PLACE), answer, remove(answer.message.message_key))

    (ticket,) = await desk.tickets()
    assert ticket["status"] == "pending"


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one after the other"])
async def test_of_two_reactions_with_one_time_the_later_command_holds(desk: Desk, *, together: bool) -> None:
    """Telegram's times are whole seconds: who takes a reaction back at once has none."""
    first = place_message(PLACE)
    key = first.message.message_key
    changes = [first, react(key, "👍", 5), react(key, "👍", 5, added=False)]
    for batch in [changes] if together else [[one] for one in changes]:
        await desk.apply(*batch)

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert message["reactions"] == []


async def test_a_removal_that_comes_after_the_reaction_which_followed_it_changes_nothing(desk: Desk) -> None:
    """Slack's retries come late: set, taken back and set again arrives as set, set, taken back."""
    first = place_message(PLACE)
    key = first.message.message_key
    await desk.apply(first, react(key, "eyes", 1))
    await desk.apply(react(key, "eyes", 3))
    await desk.apply(react(key, "eyes", 2, added=False))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert [one["name"] for one in message["reactions"]] == ["eyes"]


async def test_the_latest_reaction_of_a_person_wins(desk: Desk) -> None:
    first = place_message(PLACE)
    key = first.message.message_key
    await desk.apply(first, react(key, "eyes", 1), react(key, "thumbsup", 2), react(key, "eyes", 3, added=False))
    await desk.apply(react(key, "eyes", 2.5), react(key, "thumbsup", 2, person=slack_author("U2")))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert [(one["name"], one["person_key"]) for one in message["reactions"]] == [
        ("thumbsup", "slack:U1"),
        ("thumbsup", "slack:U2"),
    ]
    await desk.apply(react(key, "eyes", 4))
    (message,) = await desk.messages(ticket["id"])
    assert len(message["reactions"]) == 3


async def test_a_reaction_is_its_persons_also_where_that_is_an_agent_or_a_bot(desk: Desk) -> None:
    first = place_message(PLACE)
    key = first.message.message_key
    bot = Author(key=slack_author("U7").key, is_bot=True)
    await desk.apply(first, react(key, "eyes", 1, role=Role.CUSTOMER))
    await desk.apply(react(key, "eyes", 2, person=slack_author("U90"), role=Role.DESK, agent_id="agt_mentor"))
    await desk.apply(
        react(key, "eyes", 3, person=bot), react(key, "eyes", 4, person=slack_author("U2"))
    )  # older router
    await desk.apply(react(key, "tada", 5, person=bot, role=Role.BOT))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert [(one["person_key"], one["author_kind"], one["agent_id"]) for one in message["reactions"]] == [
        ("slack:U1", "customer", None),
        ("slack:U90", "agent", "agt_mentor"),
        ("slack:U7", "bot", None),
        ("slack:U2", "customer", None),
        ("slack:U7", "bot", None),
    ]
    assert [(one["actor"]["kind"], one["actor"]["id"]) for one in (await desk.history(ticket["id"]))[1:]] == [
        ("customer", "slack:U1"),
        ("agent", "agt_mentor"),
        ("bot", "slack:U7"),
        ("customer", "slack:U2"),
        ("bot", "slack:U7"),
    ]


async def test_a_reaction_of_an_older_worker_stays_one_when_its_message_changes_again(desk: Desk) -> None:
    first = place_message(PLACE)
    key = first.message.message_key
    await desk.apply(first, react(key, "eyes", 1))
    await desk.database.pool.execute("UPDATE reactions SET author_kind = NULL")
    await desk.apply(react(key, "tada", 2))

    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert [(one["name"], one["author_kind"]) for one in message["reactions"]] == [("eyes", None), ("tada", "customer")]


async def test_close_ends_at_the_chats_time(desk: Desk) -> None:
    await desk.apply(place_message(PLACE), close(60))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "closed"
    # Sixty seconds later by the platform, whatever our clock says.
    await desk.apply(place_message(PLACE, "in time", at=later(120), reopen_within=60))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "open"
    await desk.apply(close(180), place_message(PLACE, "too late", at=later(240.000001), reopen_within=60))
    newest, oldest = await desk.tickets()
    assert (newest["follows"], oldest["status"]) == (oldest["id"], "closed")


async def test_close_without_an_open_ticket_is_nothing(desk: Desk) -> None:
    await desk.apply(close())
    assert await desk.tickets() == []
    assert await desk.database.pool.fetchval("SELECT outcome FROM commands") == "no_ticket"


async def test_a_close_that_comes_late_leaves_what_was_written_since_open(desk: Desk) -> None:
    await desk.apply(place_message(PLACE), place_message(PLACE, "and another thing", at=later(90)), close(60))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "new"
    outcomes = await desk.database.pool.fetch("SELECT outcome FROM commands")
    assert "overtaken" in {row["outcome"] for row in outcomes}
    await desk.apply(close(90))
    (ticket,) = await desk.tickets()
    assert ticket["status"] == "closed", "in the same second the close holds"


async def test_context_neither_opens_nor_answers(desk: Desk) -> None:
    before = place_message(PLACE, "long ago", at=later(-9999), context=True, opens=True)
    await desk.apply(before)
    assert await desk.tickets() == []
    again = place_message(PLACE, "long ago", at=later(-9999), key=before.message.message_key, context=True)
    again = again.model_copy(update={"command_id": "with the ticket"})
    await desk.apply(place_message(PLACE, "now"), again)

    (ticket,) = await desk.tickets()
    assert (ticket["status"], ticket["first_response_at"]) == ("new", None)
    context, question = await desk.messages(ticket["id"])
    assert (context["text"], context["context"], question["text"]) == ("long ago", True, "now")


async def test_a_nul_character_loses_no_message(desk: Desk) -> None:
    place = telegram_place()
    await desk.apply(place_message(place, "a\0b", author=Author(key=STUDENT.key, name="M\0")))
    (ticket,) = await desk.tickets()
    (message,) = await desk.messages(ticket["id"])
    assert message["text"] == "a\N{REPLACEMENT CHARACTER}b"
