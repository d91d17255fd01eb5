"""Compares what people wrote with what is in tickets, chats and topics. Every difference is a line of text.

- Each line of a talk is in exactly one ticket, once, with its author and text, all of a talk in one, in its order.
- Each answer is in the chat as often as it should be, in the order in which it was written, and its delivery says so.
- A ticket's history has every version once, and `ticket.events` shows each version first in that order.
- Nothing was dead-lettered but what the test poisoned.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from tests.end_to_end.support.talk import Talk
    from tests.end_to_end.support.town import Town

Json = dict[str, Any]


async def problems(town: Town) -> list[str]:
    """Empty when all is as it was written."""
    found: list[str] = []
    tickets: dict[str, Json] = {}
    for channel in dict.fromkeys(talk.channel_key for talk in town.talks):
        talks = [talk for talk in town.talks if talk.channel_key == channel and talk.lines]
        listed = {ticket["id"]: ticket for ticket in await town.tickets(channel)}
        messages = {ticket_id: await town.messages(ticket_id) for ticket_id in listed}
        found += _channel(channel, talks, messages)
        for talk in talks:
            found += await _answers(talk, messages)
        tickets |= listed
    found += await _versions(town, tickets)
    dead = await town.dead_letters()
    if len(dead) != town.poison:
        causes = Counter(f"{one['consumer']} {one['topic']} {one['cause']}: {one['error']}" for one in dead)
        found.append(f"{len(dead)} dead letters instead of {town.poison}: {dict(causes)}")
    return found


def _channel(channel: str, talks: list[Talk], messages: dict[str, list[Json]]) -> list[str]:
    found: list[str] = []
    where: dict[str, list[str]] = {}
    for ticket_id, listed in messages.items():
        for message in listed:
            if message["kind"] == "chat":
                where.setdefault(message["source"]["message_key"], []).append(ticket_id)
    for talk in talks:
        homes: set[str] = set()
        for line in talk.lines:
            times = where.pop(line.key, [])
            homes.update(times)
            if len(times) != 1:
                found.append(f"{line.key} ({line.text!r}) is there {len(times)} times")
        if len(homes) > 1:
            found.append(f"{talk.name} is in {len(homes)} tickets")
        elif homes:
            found += _lines(talk, messages[homes.pop()])
    used = {ticket for talk in talks for ticket in messages if _has(messages[ticket], talk)}
    if len(messages) != len(used) or len(used) != len(talks):
        found.append(f"{channel} has {len(messages)} tickets for {len(talks)} talks")
    return [*found, *(f"{key} was written by nobody" for key in where)]


def _has(messages: list[Json], talk: Talk) -> bool:
    keys = {line.key for line in talk.lines}
    return any((message["source"] or {}).get("message_key") in keys for message in messages)


def _lines(talk: Talk, messages: list[Json]) -> list[str]:
    found: list[str] = []
    shown = [message for message in messages if message["kind"] == "chat"]
    by_key = {message["source"]["message_key"]: message for message in shown}
    if [message["source"]["message_key"] for message in shown] != [line.key for line in talk.lines]:
        found.append(f"{talk.name} is not in the order in which it was written")
    for line in talk.lines:
        message = by_key.get(line.key)
        if message is None:
            continue
        expected = (line.text, line.author, line.before, line.deleted)
        before = [revision["text"] for revision in message["revisions"]]
        actual = (message["text"], message["author"]["key"], before, message["deleted_at"] is not None)
        if actual != expected:
            found.append(f"{line.key} is {actual} instead of {expected}")
    return found


async def _answers(talk: Talk, messages: dict[str, list[Json]]) -> list[str]:
    found: list[str] = []
    replies = [message for listed in messages.values() if _has(listed, talk) for message in listed
               if message["kind"] == "reply"]  # fmt: skip
    expected = {answer.id: answer for answer in talk.answers}
    if Counter(reply["id"] for reply in replies) != Counter(list(expected)):
        found.append(f"{talk.name} has the replies {[one['id'] for one in replies]} instead of {list(expected)}")
    for reply in replies:
        answer = expected.get(reply["id"])
        delivery = reply["delivery"]
        if answer is not None and delivery["state"] != answer.state:
            found.append(f"the reply {answer.text!r} is {delivery['state']} ({delivery['error']}), not {answer.state}")
        if delivery["state"] == "sent" and not delivery["message_key"]:
            found.append(f"the reply {reply['id']} is sent, but nobody knows as which message")
    posted = await talk.chat()
    wanted = [answer.text for answer in talk.answers for _ in range(answer.copies)]
    if posted != wanted:
        found.append(f"the chat of {talk.name} shows {posted} instead of {wanted}")
    return found


async def _versions(town: Town, tickets: dict[str, Json]) -> list[str]:
    found: list[str] = []
    seen: dict[str, list[int]] = {}
    for record in await town.log.since(town.mark, "ticket.events.v1"):
        ticket_id = (record.key or b"").decode()
        if ticket_id not in tickets:
            continue
        try:
            version = int(orjson.loads(record.value)["version"])
        except (orjson.JSONDecodeError, KeyError):
            continue  # poison that a test wrote: whoever reads it is asked for its dead letters
        versions = seen.setdefault(ticket_id, [])
        if version not in versions:
            versions.append(version)
    for ticket_id in tickets:
        current = (await town.clients.api("GET", f"/tickets/{ticket_id}"))["version"]
        gapless = list(range(1, current + 1))
        history = [change["version"] for change in await town.history(ticket_id)]
        if history != gapless:
            found.append(f"the history of {ticket_id} has the versions {history}, not 1 to {current}")
        if seen.get(ticket_id, []) != gapless:
            found.append(f"ticket.events showed {ticket_id} first as {seen.get(ticket_id)}, not 1 to {current}")
    return found
