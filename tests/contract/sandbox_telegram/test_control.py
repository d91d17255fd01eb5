"""The control API: acting as people, looking at what they see, following what happens."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest

from tests.contract.sandbox_telegram.support import BOT_ID, Receiver, Served, control, result


async def person(http: aiohttp.ClientSession, name: str = "Ada") -> int:
    return int((await control(http, "POST", "/users", first_name=name))["user_id"])


async def test_a_person_presses_start(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http)
    opened = await control(http, "POST", "/chats", user_id=user, start="abc")

    (update,) = await result(http, "getUpdates")
    assert opened["chat_id"] == user
    assert update["message"]["message_id"] == opened["message_id"]
    assert update["message"]["text"] == "/start abc"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]


async def test_a_message_and_its_edit(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http)
    sent = await control(http, "POST", "/messages", user_id=user, text="one", at=1_700_000_000)
    path = f"/chats/{user}/messages/{sent['message_id']}"
    edited = await control(http, "PATCH", path, text="two", at=1_700_000_060)

    first, second = await result(http, "getUpdates")
    assert (first["message"]["text"], first["message"]["date"]) == ("one", 1_700_000_000)
    assert (second["edited_message"]["text"], second["edited_message"]["edit_date"]) == ("two", 1_700_000_060)
    assert edited["text"] == "two"
    assert (edited["message_id"], edited["edit_date"]) == (sent["message_id"], 1_700_000_060)


async def test_many_messages_at_once_keep_their_order(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http)
    messages = [{"user_id": user, "text": str(number)} for number in range(5)]

    sent = (await control(http, "POST", "/messages/batch", messages=messages))["messages"]

    assert [message["text"] for message in sent] == list("01234")
    assert [u["message"]["message_id"] for u in await result(http, "getUpdates")] == [m["message_id"] for m in sent]


async def test_files_albums_contacts_and_places(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http)
    file = {"file_name": "log.txt", "mime_type": "text/plain", "content_base64": base64.b64encode(b"boom").decode()}
    await control(http, "POST", "/messages", user_id=user, document=file, caption="see #log", media_group_id="7")
    await control(http, "POST", "/messages", user_id=user, photo=file)
    contact = {"phone_number": "+100", "first_name": "Ada"}
    await control(http, "POST", "/messages", user_id=user, contact=contact)
    await control(http, "POST", "/messages", user_id=user, location={"latitude": 1.5, "longitude": 2.5})

    document, photo, contacted, located = [update["message"] for update in await result(http, "getUpdates")]
    assert (document["document"]["file_name"], document["document"]["file_size"]) == ("log.txt", 4)
    assert (document["caption"], document["media_group_id"]) == ("see #log", "7")
    assert document["caption_entities"] == [{"type": "hashtag", "offset": 4, "length": 4}]
    assert photo["photo"][0]["file_size"] == 4
    assert contacted["contact"] == contact
    assert located["location"] == {"latitude": 1.5, "longitude": 2.5}


async def test_a_forwarded_message_names_its_author(served: Served, http: aiohttp.ClientSession) -> None:
    user, author = await person(http), await person(http, "Bob")
    await control(http, "POST", "/messages", user_id=user, text="look", forward_from=author)

    (update,) = await result(http, "getUpdates")
    assert update["message"]["forward_origin"]["sender_user"]["id"] == author


async def test_who_joins_and_leaves_a_group(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http, "Bob")
    path = f"/chats/{served.group.id}/members"
    served.forget_updates()
    await control(http, "POST", path, user_id=user, status="member")
    await control(http, "POST", path, user_id=user, status="left", by=user)
    await control(http, "POST", path, user_id=BOT_ID, status="kicked")

    joined, left, kicked = await result(http, "getUpdates")
    assert joined["message"]["new_chat_members"][0]["id"] == user
    assert (left["message"]["left_chat_member"]["id"], left["message"]["from"]["id"]) == (user, user)
    assert kicked["my_chat_member"]["new_chat_member"]["status"] == "kicked"


async def test_a_forum_with_a_topic(served: Served, http: aiohttp.ClientSession) -> None:
    user, member = await person(http), await person(http, "Bob")
    forum = await control(
        http,
        "POST",
        "/chats",
        type="supergroup",
        user_id=user,
        title="F",
        is_forum=True,
        members=[member],
        bot_status="administrator",
    )
    chat_id = forum["chat_id"]
    topic = (await control(http, "POST", f"/chats/{chat_id}/topics", user_id=user, name="T"))["topic_id"]
    asked = await control(http, "POST", "/messages", user_id=member, chat_id=chat_id, topic=topic, text="q")
    await control(http, "POST", "/messages", user_id=user, chat_id=chat_id, reply_to=asked["message_id"], text="a")
    await control(http, "PATCH", f"/chats/{chat_id}/topics/{topic}", user_id=user, name="T2", closed=True)

    updates = await result(http, "getUpdates")
    kinds = [next(kind for kind in update if kind != "update_id") for update in updates]
    shown = await control(http, "GET", f"/chats/{chat_id}/messages?topic={topic}&limit=3")
    assert kinds == ["my_chat_member", *["message"] * 7]
    assert [updates[i]["message"]["new_chat_members"][0]["id"] for i in (1, 2)] == [BOT_ID, member]
    assert {update["message"]["message_thread_id"] for update in updates[3:]} == {topic}
    assert [message["text"] for message in shown["messages"]] == [None, "q", "a"]
    assert (await control(http, "GET", f"/chats/{chat_id}"))["topics"] == [{"id": topic, "name": "T2", "closed": True}]


async def test_blocking_and_unblocking(served: Served, http: aiohttp.ClientSession) -> None:
    user = await person(http)
    await control(http, "POST", f"/users/{user}/block", blocked=True)
    await control(http, "POST", f"/users/{user}/block", blocked=False)

    changes = [update["my_chat_member"] for update in await result(http, "getUpdates")]
    assert [change["new_chat_member"]["status"] for change in changes] == ["kicked", "member"]
    assert changes[0]["new_chat_member"]["until_date"] == 0


async def test_pressing_a_button_and_its_answer(served: Served, http: aiohttp.ClientSession) -> None:
    keyboard = {"inline_keyboard": [[{"text": "Close", "callback_data": "close:1"}]]}
    sent = await result(http, "sendMessage", chat_id=served.dialog.id, text="Done?", reply_markup=keyboard)
    served.forget_updates()
    path = f"/chats/{served.dialog.id}/messages/{sent['message_id']}/press"
    pressed = await control(http, "POST", path, user_id=served.person.id, data="close:1")
    (update,) = await result(http, "getUpdates")
    await result(http, "answerCallbackQuery", callback_query_id=pressed["callback_query_id"], text="Closed")

    assert update["callback_query"]["data"] == "close:1"
    assert update["callback_query"]["message"]["message_id"] == sent["message_id"]
    seen = await control(http, "GET", f"/callbacks/{pressed['callback_query_id']}")
    assert seen == {"answer": {"text": "Closed", "show_alert": False}}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "reason"),
    [
        ("POST", "/messages", {"user_id": 4, "text": "x"}, 404, "no user 4"),
        ("POST", "/messages", {"user_id": "{user}", "text": ""}, 400, "Bad Request: text must be non-empty"),
        ("POST", "/messages", {"user_id": "{user}", "text": "x" * 4097}, 400, "Bad Request: message is too long"),
        ("POST", "/messages", {"user_id": "{user}"}, 400, "a message needs a text or a file"),
        ("POST", "/messages", {"user_id": "{user}", "txt": "x"}, 400, "txt: Extra inputs are not permitted"),
        ("POST", "/messages", {"user_id": "{user}", "chat_id": -5, "text": "x"}, 404, "no chat -5"),
        ("POST", "/users", {"first_name": ""}, 400, "first_name: String should have at least 1 character"),
        ("POST", "/users", {"first_name": "B", "id": "{user}"}, 409, "user {user} exists"),
        ("GET", "/chats/{user}/messages?limit=x", {}, 400, "limit must be a number"),
        ("GET", "/chats/42/messages", {}, 404, "no chat 42"),
        ("DELETE", "/faults/42", {}, 404, "no fault 42"),
        ("PUT", "/clock", {"scale": 0}, 400, "scale: Input should be greater than 0"),
    ],
)
async def test_what_people_cannot_do(
    method: str, path: str, body: dict[str, Any], status: int, reason: str, served: Served, http: aiohttp.ClientSession
) -> None:
    user = served.dialog.id
    filled = {name: user if value == "{user}" else value for name, value in body.items()}
    url = f"/control/telegram{path.format(user=user)}"
    async with http.request(method, url, json=filled) as response:
        assert (response.status, await response.json()) == (status, {"error": reason.format(user=user)})


async def test_who_is_no_member_cannot_write(served: Served, http: aiohttp.ClientSession) -> None:
    stranger = await person(http, "Bob")
    body = {"user_id": stranger, "chat_id": served.group.id, "text": "x"}
    async with http.post("/control/telegram/messages", json=body) as response:
        assert response.status == 400

    await control(http, "POST", f"/chats/{served.group.id}/members", user_id=stranger, status="member")
    await control(http, "POST", "/messages", **body)


async def test_the_state_shows_chats_as_people_see_them(served: Served, http: aiohttp.ClientSession) -> None:
    sent = served.simulation.actions.send(served.person.id, text="bye")
    await control(
        http, "PUT", f"/chats/{served.dialog.id}/messages/{sent.id}/reactions", user_id=served.person.id, emoji=["🎉"]
    )
    state = await control(http, "GET", "/state")

    (chat,) = state["chats"]
    assert state["bots"][0]["id"] == BOT_ID
    assert state["users"][0]["first_name"] == "Ada"
    assert chat["last_message"]["text"] == "bye"
    assert chat["last_message"]["reactions"] == {str(served.person.id): ["🎉"]}
    assert state["pending"] == 2


async def test_logs_of_calls_and_deliveries(served: Served, receiver: Receiver, http: aiohttp.ClientSession) -> None:
    await result(http, "setWebhook", url=receiver.url, secret_token="s")
    sent = served.simulation.actions.send(served.person.id, text="x")
    assert await control(http, "POST", "/wait-idle", timeout=5) == {"idle": True, "pending": 0}
    await result(http, "sendMessage", chat_id=served.dialog.id, text="y")

    deliveries = (await control(http, "GET", f"/deliveries?chat_id={served.dialog.id}"))["deliveries"]
    calls = (await control(http, "GET", "/calls?method=sendMessage"))["calls"]
    webhook = await control(http, "GET", "/webhook")
    assert [(entry["status"], entry["attempt"]) for entry in deliveries] == [(200, 1)] * 2
    assert [(entry["ok"], entry["arguments"]["text"]) for entry in calls] == [(True, "y")]
    assert webhook["webhook"]["url"] == receiver.url
    assert sent.content == {"text": "x"}


async def test_waiting_for_a_bot_that_does_not_come(served: Served, http: aiohttp.ClientSession) -> None:
    served.simulation.actions.send(served.person.id, text="x")

    assert await control(http, "POST", "/wait-idle", timeout=0) == {"idle": False, "pending": 2}


async def test_subscribers_are_told_everything_in_order(served: Served, http: aiohttp.ClientSession) -> None:
    with served.simulation.subscribe() as events:
        user = await person(http)
        sent = await control(http, "POST", "/messages", user_id=user, text="x")
        await control(http, "PATCH", f"/chats/{user}/messages/{sent['message_id']}", text="y")
        await control(http, "DELETE", f"/chats/{user}/messages/{sent['message_id']}")
        await result(http, "sendMessage", chat_id=user, text="z")
        told = [await events.next() for _ in range(7)]

    assert [event["event"] for event in told] == ["user", "chat", "message", "edit", "delete", "message", "call"]
    assert [told[i]["message"]["text"] for i in (2, 3, 4, 5)] == ["x", "y", "y", "z"]
    assert {event["platform"] for event in told} == {"telegram"}


async def test_the_time_scale_can_be_set(served: Served, http: aiohttp.ClientSession) -> None:
    await control(http, "PUT", "/clock", scale=60)

    assert (await control(http, "GET", "/clock"))["scale"] == 60
