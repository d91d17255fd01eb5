"""What a bot says about itself: getMe, its command lists and descriptions.

Invariant: a list of commands belongs to one scope and one language; setting one leaves the others alone.
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from sandbox.telegram.errors import bad_request
from sandbox.telegram.methods.call import Call, Handler

COMMAND = re.compile(r"[a-z0-9_]{1,32}")
LANGUAGE = re.compile(r"([a-z]{2})?")
MAX_COMMANDS = 100
MAX_COMMAND_DESCRIPTION = 256
MAX_DESCRIPTION = 512
MAX_SHORT_DESCRIPTION = 120


async def get_me(call: Call) -> dict[str, Any]:
    return {
        **call.bot.user(),
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def _command_key(call: Call) -> tuple[int, str, str]:
    scope = call.get("scope") or {"type": "default"}
    if "chat_id" in scope:
        call.find_chat(scope["chat_id"])
    return (call.bot.id, orjson.dumps(scope, option=orjson.OPT_SORT_KEYS).decode(), _language(call))


def _language(call: Call) -> str:
    language: str = call.get("language_code", "")
    if not LANGUAGE.fullmatch(language):
        raise bad_request("invalid language code specified")
    return language


async def set_my_commands(call: Call) -> bool:
    commands = call.get("commands")
    if len(commands) > MAX_COMMANDS:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    kept = []
    for command in commands:
        name = command["command"].removeprefix("/")
        if not COMMAND.fullmatch(name):
            raise bad_request("BOT_COMMAND_INVALID")
        if not 1 <= len(command["description"]) <= MAX_COMMAND_DESCRIPTION:
            raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
        kept.append({"command": name, "description": command["description"]})
    call.platform.commands[_command_key(call)] = kept
    return True


async def get_my_commands(call: Call) -> list[dict[str, Any]]:
    return call.platform.commands.get(_command_key(call), [])


async def delete_my_commands(call: Call) -> bool:
    call.platform.commands.pop(_command_key(call), None)
    return True


def _description(name: str, limit: int) -> Handler:
    async def set_description(call: Call) -> bool:
        text = call.get(name, "")
        if len(text) > limit:
            raise bad_request("description is too long")
        call.platform.descriptions[(call.bot.id, name, _language(call))] = text
        return True

    return set_description


def _described(name: str) -> Handler:
    async def get_description(call: Call) -> dict[str, str]:
        texts = call.platform.descriptions
        return {name: texts.get((call.bot.id, name, _language(call))) or texts.get((call.bot.id, name, ""), "")}

    return get_description


HANDLERS: dict[str, Handler] = {
    "getMe": get_me,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
    "setMyDescription": _description("description", MAX_DESCRIPTION),
    "getMyDescription": _described("description"),
    "setMyShortDescription": _description("short_description", MAX_SHORT_DESCRIPTION),
    "getMyShortDescription": _described("short_description"),
}
