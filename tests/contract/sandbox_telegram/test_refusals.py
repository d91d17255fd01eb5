"""Every refusal has Telegram's status and wording, by raw HTTP and through python-telegram-bot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from telegram import Bot, error
from telegram.request import HTTPXRequest

from sandbox.clock import ManualClock
from tests.contract.sandbox_telegram.support import BOT_ID, Served, call

Prepare = Callable[[Served], dict[str, Any]]
SNAKE = {
    "sendMessage": "send_message",
    "editMessageText": "edit_message_text",
    "editMessageReplyMarkup": "edit_message_reply_markup",
    "deleteMessage": "delete_message",
    "sendChatAction": "send_chat_action",
    "setMessageReaction": "set_message_reaction",
    "answerCallbackQuery": "answer_callback_query",
    "setMyCommands": "set_my_commands",
    "setMyDescription": "set_my_description",
    "setWebhook": "set_webhook",
    "getFile": "get_file",
    "getChat": "get_chat",
    "getUpdates": "get_updates",
    "createForumTopic": "create_forum_topic",
    "sendDocument": "send_document",
    "getChatMember": "get_chat_member",
}
ERRORS: dict[int, type[error.TelegramError]] = {400: error.BadRequest, 403: error.Forbidden, 409: error.Conflict}


@dataclass(frozen=True)
class Case:
    name: str
    method: str
    code: int
    description: str
    prepare: Prepare
    parameters: dict[str, int] = field(default_factory=dict)


def to_dialog(**arguments: Any) -> Prepare:
    return lambda served: {"chat_id": served.dialog.id, **arguments}


def to_forum(thread_id: Callable[[Served], int]) -> Prepare:
    return lambda served: {"chat_id": served.forum.id, "text": "x", "message_thread_id": thread_id(served)}


def blocked(served: Served) -> dict[str, Any]:
    served.simulation.actions.block(served.person.id, blocked=True)
    return {"chat_id": served.dialog.id, "text": "x"}


def deactivated(served: Served) -> dict[str, Any]:
    served.person.deactivated = True
    return {"chat_id": served.dialog.id, "text": "x"}


def membership(kind: str, status: Any) -> Prepare:
    def prepare(served: Served) -> dict[str, Any]:
        chat = served.group if kind == "group" else served.supergroup
        served.simulation.actions.set_member(chat, BOT_ID, status, by=served.person)
        return {"chat_id": chat.id, "text": "x"}

    return prepare


def never_wrote(served: Served) -> dict[str, Any]:
    """Known from a group only."""
    stranger = served.simulation.world.add_person("Bob")
    served.simulation.actions.set_member(served.group, stranger.id, "member", by=served.person)
    return {"chat_id": stranger.id, "text": "x"}


def opened_only(served: Served) -> dict[str, Any]:
    """The dialog is open on their screen, but they wrote nothing."""
    stranger = served.simulation.world.add_person("Bob")
    served.simulation.actions.open_dialog(stranger.id)
    return {"chat_id": stranger.id, "text": "x"}


def unknown_to_bot(served: Served) -> dict[str, Any]:
    return {"chat_id": served.simulation.world.add_person("Bob").id, "text": "x"}


def foreign_group(served: Served) -> dict[str, Any]:
    chat = served.simulation.actions.create_group("Elsewhere", creator=served.person, bot_status="left")
    return {"chat_id": chat.id, "text": "x"}


def own(served: Served, text: str = "mine", **more: Any) -> int:
    bot = served.simulation.bot()
    return served.simulation.actions.post(served.dialog, bot.user(), {"text": text}, **more).id


def persons(served: Served) -> int:
    return next(iter(served.dialog.messages))


def deleted(served: Served) -> int:
    return served.simulation.actions.delete(served.dialog.id, own(served)).id


def old(served: Served) -> dict[str, Any]:
    return {
        "chat_id": served.dialog.id,
        "message_id": own(served, at=served.simulation.clock.now() - 48 * 3600),
    }


def closed_topic(served: Served) -> int:
    served.simulation.actions.close_topic(served.forum, served.person.user(), served.topic, closed=True)
    return served.topic.id


def deleted_topic(served: Served) -> int:
    served.topic.deleted = True
    return served.topic.id


def others_message(served: Served) -> dict[str, Any]:
    message = served.simulation.actions.send(served.person.id, served.group.id, text="theirs")
    return {"chat_id": served.group.id, "message_id": message.id}


def with_webhook(served: Served) -> dict[str, Any]:
    from sandbox.telegram.feed import Webhook

    served.simulation.set_webhook(served.simulation.bot(), Webhook("http://127.0.0.1:1/"))
    return {}


def admin_forum(served: Served, name: str) -> dict[str, Any]:
    served.simulation.actions.set_member(served.forum, BOT_ID, "administrator", by=served.person)
    return {"chat_id": served.forum.id, "name": name}


def large_file(served: Served) -> dict[str, Any]:
    return {"file_id": served.simulation.files.add("big", "text/plain", bytes(20 * 1024 * 1024 + 1)).file_id}


def button(**action: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": "Go", **action}]]}


BAD = "Bad Request: "
CASES = [
    Case("unknown chat", "sendMessage", 400, BAD + "chat not found", lambda _: {"chat_id": 42, "text": "x"}),
    Case("unknown name", "sendMessage", 400, BAD + "chat not found", lambda _: {"chat_id": "@nobody", "text": "x"}),
    Case("unknown person", "sendMessage", 400, BAD + "chat not found", unknown_to_bot),
    Case("group without the bot", "sendMessage", 400, BAD + "chat not found", foreign_group),
    Case("empty chat id", "sendMessage", 400, BAD + "chat_id is empty", lambda _: {"chat_id": "", "text": "x"}),
    Case("no text", "sendMessage", 400, BAD + "message text is empty", to_dialog(text="")),
    Case("blank text", "sendMessage", 400, BAD + "text must be non-empty", to_dialog(text=" \n ")),
    Case("long text", "sendMessage", 400, BAD + "message is too long", to_dialog(text="я" * 4097)),
    Case("many bytes", "sendMessage", 400, BAD + "text is too long", to_dialog(text="x" * 32_769)),
    Case(
        "unknown parse mode", "sendMessage", 400, BAD + "unsupported parse_mode", to_dialog(text="x", parse_mode="rtf")
    ),
    Case(
        "bad HTML",
        "sendMessage",
        400,
        BAD + 'can\'t parse entities: Unsupported start tag "h1" at byte offset 2',
        to_dialog(text="я<h1>x</h1>", parse_mode="HTML"),
    ),
    Case(
        "bad MarkdownV2",
        "sendMessage",
        400,
        BAD + "can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
        to_dialog(text="Hi.", parse_mode="MarkdownV2"),
    ),
    Case(
        "entities that are none",
        "sendMessage",
        400,
        BAD + 'can\'t parse entities: entities[0]: field "length" is required',
        to_dialog(text="x", entities=[{"type": "bold", "offset": 0}]),
    ),
    Case(
        "entity outside of the text",
        "sendMessage",
        400,
        BAD + "entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 3",
        to_dialog(text="😀", entities=[{"type": "bold", "offset": 0, "length": 3}]),
    ),
    Case("General topic by id", "sendMessage", 400, BAD + "message thread not found", to_forum(lambda _: 1)),
    Case("unknown topic", "sendMessage", 400, BAD + "message thread not found", to_forum(lambda _: 4242)),
    Case("deleted topic", "sendMessage", 400, BAD + "message thread not found", to_forum(deleted_topic)),
    Case("closed topic", "sendMessage", 400, BAD + "TOPIC_CLOSED", to_forum(closed_topic)),
    Case(
        "topic in a dialog",
        "sendMessage",
        400,
        BAD + "message thread not found",
        to_dialog(text="x", message_thread_id=7),
    ),
    Case(
        "reply to a deleted message",
        "sendMessage",
        400,
        BAD + "message to be replied not found",
        lambda s: {"chat_id": s.dialog.id, "text": "x", "reply_parameters": {"message_id": deleted(s)}},
    ),
    Case(
        "quote that is none",
        "sendMessage",
        400,
        BAD + "QUOTE_TEXT_INVALID",
        lambda s: {"chat_id": s.dialog.id, "text": "x", "reply_parameters": {"message_id": persons(s), "quote": "no"}},
    ),
    Case(
        "long callback data",
        "sendMessage",
        400,
        BAD + "BUTTON_DATA_INVALID",
        to_dialog(text="x", reply_markup=button(callback_data="я" * 33)),
    ),
    Case(
        "button that does nothing",
        "sendMessage",
        400,
        BAD + "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
        to_dialog(text="x", reply_markup=button()),
    ),
    Case("blocked", "sendMessage", 403, "Forbidden: bot was blocked by the user", blocked),
    Case("deactivated", "sendMessage", 403, "Forbidden: user is deactivated", deactivated),
    Case("kicked", "sendMessage", 403, "Forbidden: bot was kicked from the group chat", membership("group", "kicked")),
    Case(
        "kicked from a supergroup",
        "sendMessage",
        403,
        "Forbidden: bot was kicked from the supergroup chat",
        membership("supergroup", "kicked"),
    ),
    Case(
        "left",
        "sendMessage",
        403,
        "Forbidden: bot is not a member of the supergroup chat",
        membership("supergroup", "left"),
    ),
    Case("never wrote", "sendMessage", 403, "Forbidden: bot can't initiate conversation with a user", never_wrote),
    Case("opened only", "sendMessage", 403, "Forbidden: bot can't initiate conversation with a user", opened_only),
    Case(
        "edit: gone",
        "editMessageText",
        400,
        BAD + "message to edit not found",
        lambda s: {"chat_id": s.dialog.id, "message_id": deleted(s), "text": "x"},
    ),
    Case(
        "edit: not the bot's",
        "editMessageText",
        400,
        BAD + "message can't be edited",
        lambda s: {"chat_id": s.dialog.id, "message_id": persons(s), "text": "x"},
    ),
    Case(
        "edit: the same",
        "editMessageText",
        400,
        BAD + "message is not modified: specified new message content and reply markup are exactly the same as a "
        "current content and reply markup of the message",
        lambda s: {"chat_id": s.dialog.id, "message_id": own(s), "text": "mine"},
    ),
    Case(
        "edit: too long",
        "editMessageText",
        400,
        BAD + "message is too long",
        lambda s: {"chat_id": s.dialog.id, "message_id": own(s), "text": "x" * 4097},
    ),
    Case(
        "edit: no message id",
        "editMessageText",
        400,
        BAD + "message identifier is not specified",
        lambda s: {"chat_id": s.dialog.id, "text": "x"},
    ),
    Case(
        "edit buttons: the same",
        "editMessageReplyMarkup",
        400,
        BAD + "message is not modified: specified new message content and reply markup are exactly the same as a "
        "current content and reply markup of the message",
        lambda s: {"chat_id": s.dialog.id, "message_id": own(s)},
    ),
    Case(
        "delete: gone",
        "deleteMessage",
        400,
        BAD + "message to delete not found",
        lambda s: {"chat_id": s.dialog.id, "message_id": deleted(s)},
    ),
    Case("delete: 48 hours", "deleteMessage", 400, BAD + "message can't be deleted for everyone", old),
    Case("delete: another's in a group", "deleteMessage", 400, BAD + "message can't be deleted", others_message),
    Case(
        "react: gone",
        "setMessageReaction",
        400,
        BAD + "message to react not found",
        lambda s: {"chat_id": s.dialog.id, "message_id": deleted(s), "reaction": [{"type": "emoji", "emoji": "👍"}]},
    ),
    Case(
        "react: two",
        "setMessageReaction",
        400,
        BAD + "REACTIONS_TOO_MANY",
        lambda s: {
            "chat_id": s.dialog.id,
            "message_id": persons(s),
            "reaction": [{"type": "emoji", "emoji": "👍"}, {"type": "emoji", "emoji": "👎"}],
        },
    ),
    Case("wrong action", "sendChatAction", 400, BAD + "wrong parameter action in request", to_dialog(action="sing")),
    Case(
        "old callback query",
        "answerCallbackQuery",
        400,
        BAD + "query is too old and response timeout expired or query ID is invalid",
        lambda _: {"callback_query_id": "1"},
    ),
    Case(
        "too many commands",
        "setMyCommands",
        400,
        BAD + "BOT_COMMANDS_TOO_MUCH",
        lambda _: {"commands": [{"command": f"c{i}", "description": "d"} for i in range(101)]},
    ),
    Case(
        "long command",
        "setMyCommands",
        400,
        BAD + "BOT_COMMAND_INVALID",
        lambda _: {"commands": [{"command": "c" * 33, "description": "d"}]},
    ),
    Case(
        "long description",
        "setMyDescription",
        400,
        BAD + "description is too long",
        lambda _: {"description": "d" * 513},
    ),
    Case(
        "secret token with a blank",
        "setWebhook",
        400,
        BAD + "secret token contains unallowed characters",
        lambda _: {"url": "https://x.org/", "secret_token": "a b"},
    ),
    Case("no URL", "setWebhook", 400, BAD + "invalid webhook URL specified", lambda _: {"url": "ftp://x.org"}),
    Case(
        "polling beside a webhook",
        "getUpdates",
        409,
        "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
        with_webhook,
    ),
    Case("unknown file", "getFile", 400, BAD + "invalid file_id", lambda _: {"file_id": "x"}),
    Case("file above 20 MB", "getFile", 400, BAD + "file is too big", large_file),
    Case("unknown chat asked for", "getChat", 400, BAD + "chat not found", lambda _: {"chat_id": 42}),
    Case(
        "long topic name",
        "createForumTopic",
        400,
        BAD + "topic name is too long",
        lambda s: admin_forum(s, "x" * 129),
    ),
    Case(
        "topic by no administrator",
        "createForumTopic",
        400,
        BAD + "not enough rights to manage topics",
        lambda s: {"chat_id": s.forum.id, "name": "x"},
    ),
    Case(
        "unknown member",
        "getChatMember",
        400,
        BAD + "user not found",
        lambda s: {"chat_id": s.group.id, "user_id": 4},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_refusal_by_raw_http(case: Case, served: Served, http: aiohttp.ClientSession) -> None:
    arguments = case.prepare(served)
    before = {chat.id: len(chat.messages) for chat in served.simulation.world.chats()}

    status, answer = await call(http, case.method, **arguments)

    assert answer == {"ok": False, "error_code": case.code, "description": case.description}
    assert status == case.code
    assert {chat.id: len(chat.messages) for chat in served.simulation.world.chats()} == before


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_refusal_through_python_telegram_bot(case: Case, served: Served, ptb: Bot) -> None:
    arguments = case.prepare(served)
    # what goes over the wire as objects, the library takes in shorter forms
    if "reaction" in arguments:
        arguments["reaction"] = [reaction["emoji"] for reaction in arguments["reaction"]]
    if "commands" in arguments:
        arguments["commands"] = [tuple(command.values()) for command in arguments["commands"]]

    with pytest.raises(ERRORS[case.code]) as raised:
        await getattr(ptb, SNAKE[case.method])(**arguments)

    description = case.description.removeprefix(BAD)
    assert raised.value.message.lower() == description.lower()


def migrated(served: Served) -> tuple[int, int]:
    old_id = served.group.id
    return old_id, served.simulation.actions.migrate(old_id, by=served.person).id


async def test_a_migrated_group_names_its_new_id(served: Served, http: aiohttp.ClientSession, ptb: Bot) -> None:
    old_id, new_id = migrated(served)

    status, answer = await call(http, "sendMessage", chat_id=old_id, text="x")
    with pytest.raises(error.ChatMigrated) as raised:
        await ptb.send_message(old_id, "x")

    assert status == 400
    assert answer["description"] == "Bad Request: group chat was upgraded to a supergroup chat"
    assert answer["parameters"] == {"migrate_to_chat_id": new_id}
    assert raised.value.new_chat_id == new_id
    assert (await ptb.send_message(new_id, "x")).chat.type == "supergroup"


@pytest.mark.parametrize(
    ("path", "code", "description"),
    [
        ("bot1:wrong/getMe", 401, "Unauthorized"),
        ("botwrong/getMe", 404, "Not Found"),
        (f"bot{BOT_ID}:sandbox-bot-token/makeCoffee", 404, "Not Found: method not found"),
    ],
)
async def test_bad_tokens_and_methods_by_raw_http(
    path: str, code: int, description: str, http: aiohttp.ClientSession
) -> None:
    async with http.get(f"/telegram/{path}") as response:
        assert response.status == code
        assert await response.json() == {"ok": False, "error_code": code, "description": description}


@pytest.mark.parametrize("token", ["1:wrong", "wrong"])
async def test_bad_tokens_through_python_telegram_bot(token: str, served: Served) -> None:
    async with HTTPXRequest(httpx_kwargs={"verify": False}) as request:
        with pytest.raises(error.InvalidToken):
            await Bot(token, base_url=f"{served.url}/telegram/bot", request=request).get_me()


async def test_an_unknown_method_through_python_telegram_bot(ptb: Bot) -> None:
    with pytest.raises(error.EndPointNotFound):
        await ptb.do_api_request("makeCoffee")


async def test_a_callback_query_is_answered_once_within_150_seconds(
    served: Served, clock: ManualClock, http: aiohttp.ClientSession, ptb: Bot
) -> None:
    message = await ptb.send_message(served.dialog.id, "Close?", reply_markup=button(callback_data="yes"))  # type: ignore[arg-type]
    actions = served.simulation.actions
    first, late = (actions.press(served.person.id, served.dialog.id, message.message_id, "yes") for _ in range(2))

    status, answer = await call(http, "answerCallbackQuery", callback_query_id=first, text="x" * 201)
    assert (status, answer["description"]) == (400, "Bad Request: MESSAGE_TOO_LONG")
    assert await ptb.answer_callback_query(first, "x" * 200)
    with pytest.raises(error.BadRequest, match="Query is too old"):
        await ptb.answer_callback_query(first)
    clock.advance(150)
    with pytest.raises(error.BadRequest, match="Query is too old"):
        await ptb.answer_callback_query(late)


async def test_a_known_method_that_is_not_played_says_so(http: aiohttp.ClientSession, ptb: Bot) -> None:
    status, answer = await call(http, "getStarTransactions")
    with pytest.raises(error.BadRequest, match="Not simulated"):
        await ptb.get_star_transactions()

    assert status == 400
    assert "not simulated" in answer["description"]


async def test_a_caption_has_1024_characters(served: Served, ptb: Bot) -> None:
    with pytest.raises(error.BadRequest, match="Message caption is too long"):
        await ptb.send_document(served.dialog.id, b"x", caption="я" * 1025, filename="a.txt")

    sent = await ptb.send_document(served.dialog.id, b"x", caption="я" * 1024, filename="a.txt")
    assert sent.caption == "я" * 1024
