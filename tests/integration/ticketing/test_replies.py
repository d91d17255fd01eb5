"""Replies, pings, notes, and the fate of deliveries."""

import pytest

from contracts.chat_receipts_v1 import DeliveryChanged, DeliveryError, DeliveryState, Operation
from contracts.chat_replies_v1 import CancelReply, ConfirmReply, DeleteReply, EditReply, PostReply, ResendReply
from contracts.keys import MessageKey
from contracts.ticket_commands_v1 import RecordAutomaticAnswer, RemoveMessage, Role
from services.ticketing import tokens
from services.ticketing.tokens import Scope
from tests.integration.ticketing.desk import (
    NOW,
    TRACEPARENT,
    Desk,
    common,
    later,
    place_message,
    problem,
    slack_author,
    slack_place,
    telegram_place,
)

PLACE = slack_place()
POSTED = MessageKey("slack:C1:1795435260.000200")


def receipt(delivery_id: str, version: int, state: str, **fields: object) -> DeliveryChanged:
    return DeliveryChanged.model_validate(
        {
            "delivery_id": delivery_id,
            "version": version,
            "channel_key": PLACE.channel.key,
            "conversation_id": "any",
            "operation": Operation.POST,
            "state": state,
            "at": NOW,
            "attempts": 1,
            **fields,
        }
    )


async def test_a_reply_is_queued_and_makes_the_ticket_pending(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    await desk.clock.advance(90)
    message = await desk.reply(ticket["id"], "Look **here**")

    assert message["delivery"]["state"] == "queued"
    assert message["author"] == {"kind": "agent", "name": "tests", "key": None, "agent_id": None}
    assert (message["source"]["channel_key"], message["source"]["thread"]) == ("slack:C1", PLACE.thread)
    shown = await desk.ticket(ticket["id"])
    assert (shown["status"], shown["version"], shown["revision"]) == ("pending", 2, 0)
    assert shown["first_response_at"] == shown["last_desk_message_at"] == "2026-11-23T12:01:30Z"
    (post,) = await desk.said("chat.replies.v1")
    assert isinstance(post, PostReply)
    assert (post.delivery_id, post.text, post.place) == (message["id"], "Look **here**", PLACE)
    assert post.ticket_id == ticket["id"]
    assert post.conversation_id == ticket["conversations"][0]["id"]
    topics = [row["topic"] for row in await desk.database.pool.fetch("SELECT topic FROM outbox ORDER BY id")]
    assert topics == ["ticket.events.v1", "ticket.events.v1", "chat.replies.v1"]


async def test_receipts_tell_the_fate_and_old_ones_are_dropped(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    sent = receipt(reply["id"], 2, "sent", message_keys=(POSTED, MessageKey(f"{POSTED}9")), attempts=2)
    await desk.apply(receipt(reply["id"], 1, "sending"), sent)
    await desk.apply(receipt(reply["id"], 1, "failed"), sent)

    _, message = await desk.messages(ticket["id"])
    delivery = message["delivery"]
    assert (delivery["state"], delivery["attempts"], delivery["message_key"]) == ("sent", 2, POSTED)
    assert message["source"]["message_key"] == POSTED
    assert message["source"]["permalink"].startswith("https://slack.com/archives/C1/p1795435260000200")
    assert (await desk.ticket(ticket["id"]))["version"] == 4


async def test_a_failed_edit_does_not_take_the_post_back(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    path = f"/v1/tickets/{ticket['id']}/replies/{reply['id']}"
    await desk.apply(receipt(reply["id"], 1, "sent", message_keys=(POSTED,)))
    await desk.http.patch(path, json={"text": "better"})
    error = DeliveryError(code="edit_window_closed", text="Too late to edit.")
    await desk.apply(receipt(reply["id"], 2, "failed", operation=Operation.EDIT, error=error))

    _, message = await desk.messages(ticket["id"])
    delivery = message["delivery"]
    assert (delivery["state"], delivery["operation"], delivery["operation_state"]) == ("sent", "edit", "failed")
    assert (delivery["error"], delivery["message_key"]) == ("Too late to edit.", POSTED)
    problem(await desk.http.post(f"{path}/resend"), 409, "illegal-delivery-state")


async def test_a_failure_says_what_to_do_and_can_be_sent_again(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    path = f"/v1/tickets/{ticket['id']}/replies/{reply['id']}"
    refused = problem(await desk.http.post(f"{path}/resend"), 409, "illegal-delivery-state")
    assert "possible now: edit, delete, cancel" in refused["detail"]
    error = DeliveryError(code="channel_archived", text="The channel is archived; unarchive it.")
    await desk.apply(receipt(reply["id"], 1, "failed", error=error))
    _, message = await desk.messages(ticket["id"])
    assert (message["delivery"]["error"], message["delivery"]["error_code"]) == (error.text, error.code)

    again = await desk.http.post(f"{path}/resend")
    assert (again.status_code, again.json()["delivery"]["state"]) == (200, "queued")
    problem(await desk.http.post(f"{path}/resend"), 409, "illegal-delivery-state")
    assert isinstance((await desk.said("chat.replies.v1"))[-1], ResendReply)


@pytest.mark.parametrize(
    ("state", "operation", "instruction"),
    [("unknown", "confirm", ConfirmReply), ("unknown", "resend", ResendReply), ("queued", "cancel", CancelReply)],
)
async def test_a_person_decides_about_a_doubtful_delivery(
    desk: Desk, state: str, operation: str, instruction: type
) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    await desk.apply(receipt(reply["id"], 1, state))
    answer = await desk.http.post(f"/v1/tickets/{ticket['id']}/replies/{reply['id']}/{operation}")

    assert answer.status_code == 200
    last = (await desk.said("chat.replies.v1"))[-1]
    assert isinstance(last, instruction)
    assert last.delivery_id == reply["id"]  # type: ignore[attr-defined]
    assert last.channel_key == PLACE.channel.key  # type: ignore[attr-defined]


async def test_an_edited_reply_keeps_its_former_text(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"], "frist")
    path = f"/v1/tickets/{ticket['id']}/replies/{reply['id']}"
    edited = (await desk.http.patch(path, json={"text": "first"})).json()

    assert edited["text"] == "first"
    assert [former["text"] for former in edited["revisions"]] == ["frist"]
    instruction = (await desk.said("chat.replies.v1"))[-1]
    assert isinstance(instruction, EditReply)
    assert instruction.text == "first"
    await desk.http.patch(path, json={"text": "first"})
    assert len(await desk.said("chat.replies.v1")) == 2


async def test_a_deleted_reply_is_withdrawn_and_can_not_be_edited(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    path = f"/v1/tickets/{ticket['id']}/replies/{reply['id']}"
    deleted = (await desk.http.delete(path)).json()

    assert deleted["deleted_at"] is not None
    assert isinstance((await desk.said("chat.replies.v1"))[-1], DeleteReply)
    problem(await desk.http.patch(path, json={"text": "other"}), 409, "illegal-delivery-state")


async def test_a_deletion_whose_answer_was_lost_may_be_repeated(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    path = f"/v1/tickets/{ticket['id']}/replies/{reply['id']}"
    first, second = await desk.http.delete(path), await desk.http.delete(path)

    assert (second.status_code, second.json()) == (200, first.json())
    assert [type(one) for one in await desk.said("chat.replies.v1")] == [PostReply, DeleteReply]


async def test_a_mentioned_mentor_is_waited_for_until_they_answer_in_the_chat(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    mentor = await desk.agent("Max", "telegram:77", "slack:U7", role="mentor")
    await desk.clock.advance(10)
    await desk.reply(ticket["id"], "Max, can you help?", mentions=[mentor["id"]])
    (post,) = await desk.said("chat.replies.v1")
    assert [(one.key, one.name) for one in post.mentions] == [("slack:U7", "Max")]
    (ping,) = (await desk.ticket(ticket["id"]))["pings"]
    assert (ping["agent_id"], ping["at"], ping["answered_at"]) == (mentor["id"], "2026-11-23T12:00:10Z", None)

    answer = place_message(
        PLACE, "Sure", at=later(70), author=slack_author("U7"), role=Role.DESK, agent_id=mentor["id"]
    )
    await desk.apply(place_message(PLACE, "please!", at=later(60)), answer)
    shown = await desk.ticket(ticket["id"])
    assert shown["pings"][0]["answered_at"] == "2026-11-23T12:01:10Z"
    assert shown["status"] == "pending"
    staff = (await desk.messages(ticket["id"]))[-1]
    assert staff["author"] == {"kind": "agent", "name": "Max", "key": "slack:U7", "agent_id": mentor["id"]}
    assert len(await desk.said("chat.replies.v1")) == 1


async def test_a_mention_without_an_identity_on_the_platform_is_refused_by_name(desk: Desk) -> None:
    ticket = await desk.opened(telegram_place())
    mentor = await desk.agent("Max", "slack:U7")
    body = {"text": "Max?", "mentions": [mentor["id"]]}
    refused = await desk.http.post(f"/v1/tickets/{ticket['id']}/replies", json=body)

    assert "Max" in problem(refused, 422, "invalid")["detail"]
    unknown = {"text": "?", "mentions": ["agt_nobody"]}
    refused = await desk.http.post(f"/v1/tickets/{ticket['id']}/replies", json=unknown)
    assert "agt_nobody" in problem(refused, 422, "invalid")["detail"]
    assert (await desk.ticket(ticket["id"]))["version"] == 1


async def test_a_last_word_does_not_reopen(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    await desk.patch(ticket, status="closed")
    await desk.reply(ticket["id"], "You're welcome.")
    assert (await desk.ticket(ticket["id"]))["status"] == "closed"


async def test_a_note_stays_inside(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    note = (await desk.http.post(f"/v1/tickets/{ticket['id']}/notes", json={"text": "rude"})).json()

    assert (note["internal"], note["source"], note["delivery"]) == (True, None, None)
    assert await desk.said("chat.replies.v1") == []
    assert (await desk.ticket(ticket["id"]))["status"] == "new"


async def test_an_automatic_answer_shows_in_the_ticket_with_its_fate(desk: Desk) -> None:
    opening = place_message(PLACE, "prices?")
    answer = RecordAutomaticAnswer(
        **{**common("prices", PLACE.channel.key), "command_id": "prices#1"},
        reply_id="rpl_auto",
        place=PLACE,
        text="See the list",
        at=NOW,
    )
    # Another topic carries receipts: they may come first.
    await desk.apply(receipt("rpl_auto", 1, "sending"))
    await desk.apply(receipt("rpl_auto", 2, "sent", message_keys=(POSTED,)))
    await desk.apply(opening, answer)

    (ticket,) = await desk.tickets()
    assert ticket["status"] == "new"
    _, shown = await desk.messages(ticket["id"])
    assert (shown["author"]["kind"], shown["kind"], shown["delivery"]["state"]) == ("bot", "automatic", "sent")
    assert shown["source"]["message_key"] == POSTED
    assert await desk.database.pool.fetchval("SELECT count(*) FROM early_receipts") == 0


async def test_our_post_deleted_in_the_chat_shows_in_the_ticket(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    await desk.apply(receipt(reply["id"], 1, "sent", message_keys=(POSTED,)))
    await desk.apply(RemoveMessage(**common("gone", PLACE.channel.key), message_key=POSTED, deleted_at=later(99)))

    _, shown = await desk.messages(ticket["id"])
    assert shown["deleted_at"] is not None
    assert (await desk.ticket(ticket["id"]))["status"] == "pending"


async def test_an_echo_of_our_post_is_no_second_message(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    reply = await desk.reply(ticket["id"])
    await desk.apply(receipt(reply["id"], 1, "sent", message_keys=(POSTED,)))
    await desk.apply(place_message(PLACE, "Here you are.", key=POSTED, role=Role.BOT))
    assert len(await desk.messages(ticket["id"])) == 2


async def test_a_token_of_an_agent_writes_as_that_agent(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    ann = await desk.agent("Ann")
    async with desk.database.transaction() as connection:
        created = await tokens.create(connection, "ann's", scope=Scope.AGENT, agent_id=ann["id"])
    desk.http.headers["Authorization"] = f"Bearer {created.token}"
    message = await desk.reply(ticket["id"])

    assert (message["author"]["name"], message["author"]["agent_id"]) == ("Ann", ann["id"])
    assert (await desk.history(ticket["id"]))[-1]["actor"] == {"kind": "agent", "id": ann["id"], "name": "Ann"}
    other = await desk.http.post(f"/v1/tickets/{ticket['id']}/notes", json={"text": "x", "agent_id": "agt_2"})
    problem(other, 403, "forbidden")


async def test_a_reply_carries_its_own_trace_on(desk: Desk) -> None:
    ticket = await desk.opened(PLACE)
    response = await desk.http.post(
        f"/v1/tickets/{ticket['id']}/replies",
        json={"text": "hi"},
        headers={"traceparent": TRACEPARENT[:3] + "1" * 32 + TRACEPARENT[35:]},
    )
    assert response.json()["trace_id"] == "1" * 32
    (post,) = await desk.outbox("chat.replies.v1")
    assert post.traceparent is not None
    assert post.traceparent[3:35] == "1" * 32
    assert response.json()["delivery"]["state"] == DeliveryState.QUEUED
