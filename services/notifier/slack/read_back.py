"""After a doubtful send the place is read: the post is there under its delivery id and part, or it isn't.

A thread is read with conversations.replies, a dialog or the channel's top level with conversations.history. With two
copies the earlier one is the post. Where the place can't be read any more, or not to its end, nobody can know.
https://docs.slack.dev/reference/methods/conversations.replies
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

from contracts.chat_receipts_v1 import DeliveryError
from contracts.chat_replies_v1 import DELIVERY_METADATA
from contracts.keys import MessageKey, message_key, native_channel, ordinal
from services.notifier.outcomes import Absent, Found, Later, ReadOutcome, Refused, Target, Unreadable

PAGE = 200
MAX_PAGES = 50
CLOCKS_APART = 300.0
"""Seconds by which the database's clock may be ahead of Slack's."""

TOO_MUCH = DeliveryError(
    code="too_much_to_read",
    text="Too much was written there since to find out whether the message arrived. Look into the chat: "
    "confirm that it arrived, or send it again.",
)
Read: TypeAlias = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any] | Refused | Later]]


async def find(read: Read, target: Target, since: float) -> ReadOutcome:
    """Read every page since the first try."""
    method = "history" if target.place.thread is None else "replies"
    arguments: dict[str, Any] = {
        "channel": native_channel(target.channel),
        "oldest": f"{max(0.0, since - CLOCKS_APART):.6f}",
        "include_all_metadata": 1,
        "limit": PAGE,
    }
    if target.place.thread is not None:
        arguments["ts"] = target.place.thread
    found: list[MessageKey] = []
    for _ in range(MAX_PAGES):
        page = await read(method, arguments)
        if isinstance(page, Refused):
            return Unreadable(page.error)
        if isinstance(page, Later):
            return page
        found += _matching(page.get("messages") or (), target)
        following = (page.get("response_metadata") or {}).get("next_cursor")
        if not following:
            break
        arguments["cursor"] = following
    else:
        if not found:
            return Unreadable(TOO_MUCH)
    if not found:
        return Absent()
    first, *copies = sorted(set(found), key=ordinal)
    return Found(first, tuple(copies))


def _matching(messages: Iterable[Mapping[str, Any]], target: Target) -> list[MessageKey]:
    keys = []
    for message in messages:
        metadata = message.get("metadata")
        if not isinstance(metadata, Mapping) or metadata.get("event_type") != DELIVERY_METADATA:
            continue
        payload = metadata.get("event_payload") or {}
        same = payload.get("delivery_id") == target.delivery_id and payload.get("part", 0) == target.part
        if same and isinstance(message.get("ts"), str):
            keys.append(message_key(target.channel, message["ts"]))
    return keys
