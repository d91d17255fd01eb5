"""What is to be seen after a step. Each look returns the first thing that isn't so yet, or None when all is."""

from contracts import keys
from sandbox.scenarios.cast import Cast, Json
from sandbox.scenarios.clients import Clients, Written
from sandbox.scenarios.model import See, SeeChat, SeeTicket


async def missing(see: See, cast: Cast, clients: Clients) -> str | None:
    """None when everything is seen."""
    if see.chat is not None and (problem := await _chat(see.chat, cast, clients)) is not None:
        return problem
    return None if see.ticket is None else await _ticket(see.ticket, cast, clients)


async def _ticket(see: SeeTicket, cast: Cast, clients: Clients) -> str | None:
    if see.of not in cast.messages:
        return f"the message {see.of!r} was never written"
    ticket, messages, message = await _find(cast.messages[see.of], clients)
    if ticket is None or message is None:
        return "no ticket has the message"
    if problem := _which(see, ticket, cast):
        return problem
    if trace := message.get("trace_id"):
        cast.traces["message"] = str(trace)
    return _state(see, ticket, messages, cast) or _message(see, message)


async def _find(written: Written, clients: Clients) -> tuple[Json | None, list[Json], Json | None]:
    """The ticket that has the message, all its messages but notes, and the message."""
    key = written.key(clients.doors.bot_id)
    for ticket in await clients.tickets_in(keys.channel_of_message(key)):
        messages = [one for one in await clients.messages_of(ticket["id"]) if not one.get("internal")]
        for message in messages:
            if (message.get("source") or {}).get("message_key") == key:
                return await clients.api("GET", f"/tickets/{ticket['id']}"), messages, message
    return None, [], None


def _which(see: SeeTicket, ticket: Json, cast: Cast) -> str | None:
    if see.same_as is not None and cast.tickets.get(see.same_as) != ticket["id"]:
        return f"the message is in another ticket than {see.same_as!r}"
    if see.save is not None:
        others = {name: one for name, one in cast.tickets.items() if name != see.save}
        if ticket["id"] in others.values():
            return "the message is in a ticket that was there before"
        cast.tickets[see.save] = ticket["id"]
    return None


def _state(see: SeeTicket, ticket: Json, messages: list[Json], cast: Cast) -> str | None:
    if see.status is not None and ticket["status"] != see.status:
        return f"the ticket is {ticket['status']}, not {see.status}"
    if see.messages is not None and len(messages) != see.messages:
        return f"the ticket has {len(messages)} messages, not {see.messages}"
    if see.requester is not None and ticket["requester"]["name"] != cast.name(see.requester):
        return f"the requester is {ticket['requester']['name']}, not {cast.name(see.requester)}"
    if see.follows is not None and ticket["follows"] != cast.tickets.get(see.follows):
        return f"the ticket doesn't follow {see.follows!r}"
    if see.answered_ping is not None:
        answered = [ping for ping in ticket["pings"] if ping["agent_id"] == cast.agents[see.answered_ping]]
        if not answered or answered[0]["answered_at"] is None:
            return f"the ping of {cast.name(see.answered_ping)} has no answer"
    return None


def _message(see: SeeTicket, message: Json) -> str | None:
    if see.revisions is not None and [one["text"] for one in message["revisions"]] != list(see.revisions):
        return f"the message has {len(message['revisions'])} former texts, not the expected ones"
    if see.deleted is not None and (message["deleted_at"] is not None) != see.deleted:
        return f"the message is {'not ' if see.deleted else ''}marked as deleted"
    if see.author_kind is not None and message["author"]["kind"] != see.author_kind:
        return f"the author is a {message['author']['kind']}, not a {see.author_kind}"
    return None


async def _chat(see: SeeChat, cast: Cast, clients: Clients) -> str | None:
    if see.thread is not None:
        root = cast.messages.get(see.thread)
        if root is None:
            return f"the message {see.thread!r} was never written"
        listed = await clients.slack("GET", f"/channels/{root.channel}/messages?thread_ts={root.id}")
        messages = [one for one in listed["messages"] if not one.get("deleted")]
        ours = [one for one in messages if one["user"] == clients.doors.bot_user_id]
        texts = [one["plain"] for one in ours]
    else:
        listed = await clients.telegram("GET", f"/chats/{cast.dialog(str(see.dialog))}/messages")
        messages = listed["messages"]
        ours = [one for one in messages if one["from"]["is_bot"]]
        texts = [one["text"] for one in ours]
    if see.text is not None and not any(see.text in text for text in texts[-1:]):
        return f"the chat doesn't show {see.text!r}" + (f", the last answer is {texts[-1]!r}" if texts else "")
    if see.mentions is not None and cast.users[see.mentions] not in (ours[-1].get("notifies") or ()):
        return f"{cast.name(see.mentions)} is not mentioned"
    if see.count is not None and len(messages) != see.count:
        return f"the thread has {len(messages)} messages, not {see.count}"
    return None
