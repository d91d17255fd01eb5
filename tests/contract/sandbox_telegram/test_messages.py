"""What a bot sends, and what it gets to see of what people send."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from telegram import Bot, ReplyParameters

from sandbox.clock import ManualClock
from sandbox.telegram import BotIdentity, Simulation
from tests.contract.sandbox_telegram.support import BOT_ID, TOKEN, Served, call, control, result, serve

MARKUPS = "InlineKeyboardMarkup or ReplyKeyboardMarkup or ReplyKeyboardRemove or ForceReply"
FORMS = ["query", "form", "multipart", "json"]


@pytest.mark.parametrize("form", FORMS)
async def test_arguments_come_in_every_form(form: str, served: Served, http: aiohttp.ClientSession) -> None:
    url = f"/telegram/bot{TOKEN}/SENDmessage"  # names are compared without case
    arguments = {
        "chat_id": str(served.dialog.id),
        "text": "я + я",
        "entities": '[{"type":"bold","offset":0,"length":1}]',
    }
    if form == "query":
        request = http.get(url, params=arguments)
    elif form == "form":
        request = http.post(url, data=arguments)
    elif form == "multipart":
        multipart = aiohttp.FormData(arguments)
        multipart.add_field("unused", b"x", filename="x.bin")
        request = http.post(url, data=multipart)
    else:
        native = {"chat_id": served.dialog.id, "entities": [{"type": "bold", "offset": 0, "length": 1}]}
        request = http.post(url, json={**arguments, **native})
    async with request as response:
        message = (await response.json())["result"]

    assert (message["text"], message["entities"]) == ("я + я", [{"type": "bold", "offset": 0, "length": 1}])
    assert message["from"]["id"] == BOT_ID


@pytest.mark.parametrize("body", [b"[1]", b"{", b"\xff"])
async def test_a_json_body_is_an_object(body: bytes, http: aiohttp.ClientSession) -> None:
    headers = {"Content-Type": "application/json"}
    async with http.post(f"/telegram/bot{TOKEN}/getMe", data=body, headers=headers) as response:
        assert (response.status, (await response.json())["description"]) == (
            400,
            "Bad Request: can't parse JSON object",
        )


@pytest.mark.parametrize(
    ("arguments", "description"),
    [
        ({"text": "x"}, "chat_id is empty"),
        ({"chat_id": 5}, "message text is empty"),
        ({"chat_id": 5, "text": {"a": 1}}, "can't parse text: text must be a String"),
        (
            {"chat_id": 5, "text": "x", "message_thread_id": "x"},
            "can't parse message_thread_id: message_thread_id must be an Integer",
        ),
        (
            {"chat_id": 5, "text": "x", "protect_content": "maybe"},
            "can't parse protect_content: protect_content must be a Boolean",
        ),
        (
            {"chat_id": 5, "text": "x", "reply_parameters": "{"},
            "can't parse reply_parameters: reply_parameters is not valid JSON",
        ),
        (
            {"chat_id": 5, "text": "x", "reply_markup": {"inline_keyboard": [[{"url": "x"}]]}},
            f"can't parse reply keyboard markup JSON object: reply_markup must be {MARKUPS}",
        ),
    ],
)
async def test_missing_and_ill_typed_arguments(
    arguments: dict[str, object], description: str, http: aiohttp.ClientSession
) -> None:
    status, answer = await call(http, "sendMessage", **arguments)

    assert (status, answer["description"]) == (400, f"Bad Request: {description}")


async def test_a_text_is_trimmed_and_its_entities_with_it(served: Served, ptb: Bot) -> None:
    sent = await ptb.send_message(served.dialog.id, "  <b>bold</b> \r\n", parse_mode="HTML")

    assert sent.text == "bold"
    assert [(entity.type, entity.offset, entity.length) for entity in sent.entities] == [("bold", 0, 4)]


async def test_a_reply_shows_the_original_one_level_deep(served: Served, clock: ManualClock, ptb: Bot) -> None:
    first = await ptb.send_message(served.dialog.id, "first")
    clock.advance(1)
    second = await ptb.send_message(
        served.dialog.id, "second", reply_parameters=ReplyParameters(first.message_id, quote="irs")
    )
    clock.advance(1)
    third = await ptb.send_message(served.dialog.id, "third", reply_to_message_id=second.message_id)

    assert second.quote is not None
    assert (second.quote.text, second.quote.position) == ("irs", 1)
    assert third.reply_to_message is not None
    assert (third.reply_to_message.text, third.reply_to_message.reply_to_message) == ("second", None)


async def test_a_reply_to_nothing_may_be_allowed(served: Served, ptb: Bot) -> None:
    parameters = ReplyParameters(4242, allow_sending_without_reply=True)

    assert (await ptb.send_message(served.dialog.id, "x", reply_parameters=parameters)).reply_to_message is None


async def test_a_reply_to_another_chat(served: Served, ptb: Bot) -> None:
    original = served.simulation.actions.send(served.person.id, served.group.id, text="there")

    sent = await ptb.send_message(
        served.dialog.id, "here", reply_parameters=ReplyParameters(original.id, chat_id=served.group.id)
    )

    assert sent.external_reply is not None
    assert (sent.external_reply.message_id, sent.reply_to_message) == (original.id, None)


async def test_messages_of_a_topic(served: Served, clock: ManualClock, ptb: Bot) -> None:
    in_topic = await ptb.send_message(served.forum.id, "x", message_thread_id=served.topic.id)
    asked = served.simulation.actions.send(served.person.id, served.forum.id, text="y", topic=served.topic.id)
    clock.advance(1)
    reply = await ptb.send_message(served.forum.id, "z", reply_to_message_id=asked.id)
    clock.advance(1)
    general = await ptb.send_message(served.forum.id, "general")

    assert [(m.message_thread_id, m.is_topic_message) for m in (in_topic, reply)] == [(served.topic.id, True)] * 2
    assert in_topic.reply_to_message is not None
    assert in_topic.reply_to_message.forum_topic_created is not None
    assert (general.message_thread_id, general.is_topic_message, general.reply_to_message) == (None, None, None)


async def test_an_administrator_makes_and_closes_topics(served: Served, ptb: Bot) -> None:
    served.simulation.actions.set_member(served.forum, BOT_ID, "administrator", by=served.person)

    topic = await ptb.create_forum_topic(served.forum.id, "x" * 128)
    assert await ptb.close_forum_topic(served.forum.id, topic.message_thread_id)
    await ptb.send_message(served.forum.id, "an administrator may", message_thread_id=topic.message_thread_id)
    assert await ptb.reopen_forum_topic(served.forum.id, topic.message_thread_id)

    kinds = [next(iter(m.content)) for m in served.forum.messages.values() if m.service]
    assert kinds[1:] == ["forum_topic_created", "forum_topic_closed", "forum_topic_reopened"]


async def test_edits_and_deletions_are_seen_by_people(served: Served, http: aiohttp.ClientSession, ptb: Bot) -> None:
    served.simulation.set_rate_limits(None)
    sent = await ptb.send_message(served.dialog.id, "one")
    other = await ptb.send_message(served.dialog.id, "other")
    await ptb.edit_message_text("<i>two</i>", served.dialog.id, sent.message_id, parse_mode="HTML")
    assert await ptb.delete_message(served.dialog.id, other.message_id)

    messages = (await control(http, "GET", f"/chats/{served.dialog.id}/messages"))["messages"]
    assert [message["text"] for message in messages] == ["hello", "two"]
    assert messages[1]["edit_date"] is not None
    everything = await control(http, "GET", f"/chats/{served.dialog.id}/messages?include_deleted=1")
    assert [message["deleted"] for message in everything["messages"]] == [False, False, True]


async def test_what_may_be_deleted(served: Served, clock: ManualClock, ptb: Bot) -> None:
    theirs = served.simulation.actions.send(served.person.id, text="in a dialog")
    in_group = served.simulation.actions.send(served.person.id, served.group.id, text="in a group")
    served.simulation.actions.set_member(served.group, BOT_ID, "administrator", by=served.person)
    clock.advance(48 * 3600 - 1)

    assert await ptb.delete_message(served.dialog.id, theirs.id)
    assert await ptb.delete_messages(served.group.id, [in_group.id, 4242])
    assert served.group.message(in_group.id) is None


async def test_reactions_commands_actions_and_chats(served: Served, http: aiohttp.ClientSession, ptb: Bot) -> None:
    message = served.simulation.actions.send(served.person.id, text="x")
    assert await ptb.set_message_reaction(served.dialog.id, message.id, "👍")
    assert await ptb.set_my_commands([("help", "Help")], language_code="en")
    assert await ptb.send_chat_action(served.dialog.id, "typing")

    assert message.reactions == {BOT_ID: [{"type": "emoji", "emoji": "👍"}]}
    assert [command.command for command in await ptb.get_my_commands(language_code="en")] == ["help"]
    assert await ptb.get_my_commands() == ()
    assert (await control(http, "GET", "/commands"))["commands"][0]["language_code"] == "en"
    assert (await ptb.get_chat(served.dialog.id)).first_name == "Ada"
    assert (await ptb.get_chat_member(served.group.id, served.person.id)).status == "creator"
    assert await ptb.set_my_description("d" * 512)
    assert (await ptb.get_my_description()).description == "d" * 512


async def test_a_bots_document_can_be_fetched(served: Served, ptb: Bot) -> None:
    sent = await ptb.send_document(served.dialog.id, b"content", filename="a.txt", caption="see")
    assert sent.document is not None
    file = await ptb.get_file(sent.document)

    assert (sent.document.file_name, sent.caption) == ("a.txt", "see")
    assert bytes(await file.download_as_bytearray()) == b"content"


async def test_the_file_of_another_path_is_not_found(http: aiohttp.ClientSession) -> None:
    async with http.get(f"/telegram/file/bot{TOKEN}/documents/x/y") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("hello everybody", False),
        ("/help@okno_support_bot", True),
        ("/HELP@Okno_Support_Bot please", True),
        ("/help@another_bot", False),
        ("/help", False),
        ("see /help@okno_support_bot", True),
    ],
)
async def test_privacy_mode_in_groups(text: str, seen: bool, served: Served) -> None:
    assert served.group.id
    served.forget_updates()
    message = served.simulation.actions.send(served.person.id, served.group.id, text=text)
    served.simulation.actions.edit(served.group.id, message.id, text)

    assert served.pending() == (["message", "edited_message"] if seen else [])


async def test_a_bare_command_is_for_the_bot_that_spoke_last(served: Served, ptb: Bot) -> None:
    send = served.simulation.actions.send
    await ptb.send_message(served.group.id, "how can I help?")
    served.forget_updates()
    send(served.person.id, served.group.id, text="/help")
    assert served.pending() == ["message"]

    send(served.person.id, served.group.id, text="/help")
    assert served.pending() == ["message"]


async def test_replies_service_messages_and_what_administrators_see(served: Served, ptb: Bot) -> None:
    send = served.simulation.actions.send
    asked = await ptb.send_message(served.group.id, "how can I help?")
    send(served.person.id, served.group.id, text="and")
    served.forget_updates()
    send(served.person.id, served.group.id, text="thanks", reply_to=asked.message_id)
    served.simulation.actions.service(served.group, served.person.user(), {"new_chat_title": "G"})
    assert served.pending() == ["message", "message"]

    served.simulation.actions.set_member(served.group, BOT_ID, "administrator", by=served.person)
    served.forget_updates()
    send(served.person.id, served.group.id, text="anything")
    assert served.pending() == ["message"]


async def test_without_privacy_mode_a_bot_sees_all_but_other_bots(clock: ManualClock) -> None:
    open_bot = BotIdentity(privacy=False)
    other = BotIdentity(id=7701, token="7701:other", username="other_bot", privacy=False)
    async with Simulation([open_bot, other], clock=clock) as simulation, serve(simulation) as served:
        simulation.actions.set_member(served.group, other.id, "member", by=served.person)
        served.forget_updates()
        simulation.actions.send(served.person.id, served.group.id, text="anything")
        await simulation.call(open_bot, "sendMessage", {"chat_id": served.group.id, "text": "from a bot"})

        seen = [update["message"] for update in (await poll(served.url, other.token))[1:]]
        assert [message.get("text") for message in seen] == [None, "anything"]
        assert served.pending() == ["message"]


async def test_two_bots_have_dialogs_of_their_own(clock: ManualClock) -> None:
    other = BotIdentity(id=7701, token="7701:other", username="other_bot")
    async with Simulation([BotIdentity(), other], clock=clock) as simulation, serve(simulation) as served:
        simulation.actions.send(served.person.id, text="to the other", bot_id=other.id)
        updates, first = await poll(served.url, other.token), await poll(served.url, TOKEN)

        assert [update["message"]["text"] for update in updates] == ["to the other"]
        assert [update["message"]["text"] for update in first] == ["hello"]


async def poll(url: str, token: str) -> list[dict[str, Any]]:
    """All updates of one of several bots."""
    async with aiohttp.ClientSession() as http, http.get(f"{url}/telegram/bot{token}/getUpdates") as response:
        updates: list[dict[str, Any]] = (await response.json())["result"]
    return updates


async def test_a_deletion_by_a_person_tells_no_bot(served: Served, http: aiohttp.ClientSession) -> None:
    message = served.simulation.actions.send(served.person.id, text="x")
    served.forget_updates()

    await control(http, "DELETE", f"/chats/{served.dialog.id}/messages/{message.id}")

    assert served.pending() == []
    assert served.dialog.message(message.id) is None


async def test_a_migration_tells_both_ids(served: Served, http: aiohttp.ClientSession) -> None:
    old_id = served.group.id
    served.forget_updates()
    new_id = (await control(http, "POST", f"/chats/{old_id}/migrate", user_id=served.person.id))["chat_id"]

    old, new = [update["message"] for update in await result(http, "getUpdates")]
    assert (old["chat"]["id"], old["migrate_to_chat_id"]) == (old_id, new_id)
    assert (new["chat"]["id"], new["chat"]["type"], new["migrate_from_chat_id"]) == (new_id, "supergroup", old_id)
