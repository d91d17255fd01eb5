"""The methods of the Bot API that the sandbox plays, one module per subject.

Invariant: no method runs before its arguments were checked against the Bot API's description. A method that exists
but is not played answers so plainly; it never pretends to have worked.
"""

from __future__ import annotations

from typing import Any

from sandbox.telegram.errors import not_simulated
from sandbox.telegram.methods import bot as bot_methods
from sandbox.telegram.methods import chats, media, messages, topics, updates
from sandbox.telegram.methods.call import Call, Handler, Result
from sandbox.telegram.platform import Platform
from sandbox.telegram.schema import check, method_name
from sandbox.telegram.world import BotIdentity

HANDLERS: dict[str, Handler] = {
    **bot_methods.HANDLERS,
    **chats.HANDLERS,
    **media.HANDLERS,
    **messages.HANDLERS,
    **topics.HANDLERS,
    **updates.HANDLERS,
}


async def dispatch(platform: Platform, bot: BotIdentity, method: str, given: dict[str, Any]) -> dict[str, Any]:
    """`{"ok": true, "result": ...}`, or an `ApiError`."""
    name = method_name(method)
    arguments, _ = check(name, given)
    handler = HANDLERS.get(name)
    if handler is None:
        raise not_simulated(name)
    result = await handler(Call(platform, bot, arguments))
    if isinstance(result, Result):
        return {"ok": True, "result": result.value, "description": result.description}
    return {"ok": True, "result": result}
