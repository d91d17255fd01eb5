"""What people do in a scenario. Each action returns a sentence for the story; its effect is seen elsewhere."""

import time
import uuid

from contracts.durations import parse_duration
from sandbox.scenarios.cast import Cast, Json
from sandbox.scenarios.clients import Clients, Refused, Written
from sandbox.scenarios.model import Action, Edit, Post, Reply


async def act(action: Action, cast: Cast, clients: Clients) -> str:
    if action.post is not None:
        return await _post(action.post, cast, clients)
    if action.edit is not None:
        return await _edit(action.edit, cast, clients)
    if action.reply is not None:
        return await _reply(action.reply, cast, clients)
    if action.delete is not None:
        return await _delete(action.delete, cast, clients)
    return await _close(str(action.close), cast, clients)


async def _post(post: Post, cast: Cast, clients: Clients) -> str:
    person = cast.scenario.people[post.by]
    at = time.time() + parse_duration(post.later).total_seconds() if post.later else None
    timed = {} if at is None else {"at": at}
    if person.platform == "slack":
        root = cast.messages[post.thread] if post.thread else None
        channel = root.channel if root else cast.channels[str(post.channel)]
        body: Json = {"channel": channel, "user": cast.users[post.by], "text": post.text, **timed}
        if root is not None:
            body["thread_ts"] = root.id
        sent = await clients.slack("POST", "/messages", body)
        written = Written("slack", channel, sent["ts"], root.id if root else None)
        where = "in the thread" if root else f"in #{cast.scenario.channels[str(post.channel)]}"
    else:
        sent = await clients.telegram(
            "POST", "/messages", {"user_id": int(cast.users[post.by]), "text": post.text, **timed}
        )
        written = Written("telegram", cast.dialog(post.by), str(sent["message_id"]))
        where = "to the bot" if post.later is None else f"to the bot, {post.later} later"
    if post.save:
        cast.messages[post.save] = written
        cast.texts[post.save] = post.text
    return f"{person.name} writes {where}: {post.text}"


async def _edit(edit: Edit, cast: Cast, clients: Clients) -> str:
    message = cast.messages[edit.message]
    if message.platform == "slack":
        await clients.slack("PATCH", f"/messages/{message.channel}/{message.id}", {"text": edit.text})
    else:
        await clients.telegram("PATCH", f"/chats/{message.channel}/messages/{message.id}", {"text": edit.text})
    return f"The customer edits the message: {edit.text}"


async def _delete(name: str, cast: Cast, clients: Clients) -> str:
    message = cast.messages[name]
    if message.platform != "slack":
        raise Refused("Telegram tells bots of no deletion")
    await clients.slack("DELETE", f"/messages/{message.channel}/{message.id}")
    return "The customer deletes the message"


async def _reply(reply: Reply, cast: Cast, clients: Clients) -> str:
    body = {"text": reply.text, "mentions": [cast.agents[name] for name in reply.mention]}
    path = f"/tickets/{cast.tickets[reply.ticket]}/replies"
    sent = await clients.api("POST", path, body, **{"Idempotency-Key": uuid.uuid4().hex})
    if trace := sent.get("trace_id"):
        cast.traces["reply"] = str(trace)
    to = f", mentioning {', '.join(cast.name(name) for name in reply.mention)}" if reply.mention else ""
    return f"{cast.name(reply.by)} answers in the ticket{to}: {reply.text}"


async def _close(name: str, cast: Cast, clients: Clients) -> str:
    ticket = await clients.api("GET", f"/tickets/{cast.tickets[name]}")
    headers = {"If-Match": f'"{ticket["revision"]}"'}
    await clients.api("PATCH", f"/tickets/{cast.tickets[name]}", {"status": "closed"}, **headers)
    return "The specialist closes the ticket"
