"""Where a message lands: the place's active ticket, its reopened last one, a new one, or nowhere."""

from datetime import datetime, timedelta
from itertools import chain

from contracts import ids
from contracts.keys import PersonKey, channel_of_place, ordinal
from contracts.quoting import FORWARDED, QUOTED, own_words
from contracts.ticket_commands_v1 import ChatMessage, OpenTicket, PlaceMessage, Role
from contracts.ticket_events_v1 import (
    Actor,
    ActorKind,
    Cause,
    ChangeKind,
    Conversation,
    Ping,
    Priority,
    Requester,
    Status,
    TicketState,
)
from services.ticketing.domain.book import Book
from services.ticketing.domain.change import advance, change_of
from services.ticketing.domain.status import after_customer_message, after_desk_message
from services.ticketing.domain.ticket import (
    AuthorKind,
    Message,
    MessageKind,
    Ticket,
    latest,
    one_line,
    printable,
    printable_name,
)

SUBJECT_LENGTH = 120
_AUTHOR = {Role.CUSTOMER: AuthorKind.CUSTOMER, Role.DESK: AuthorKind.AGENT, Role.BOT: AuthorKind.BOT}
_ACTOR = {Role.CUSTOMER: ActorKind.CUSTOMER, Role.DESK: ActorKind.AGENT, Role.BOT: ActorKind.BOT}


def place_message(book: Book, command: PlaceMessage, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    """Returns the outcome and the ticket: `duplicate`, `opened`, `reopened`, `appended` or `no_ticket`."""
    chat = command.message
    if book.is_stored(chat.message_key):
        return "duplicate", None
    place = book.current_place(command.place)
    ticket = book.ticket_in(place.key)
    opens = None if chat.context else command.open
    cause = Cause(kind="command", id=command.command_id, actor=_actor(chat))
    if ticket is None or not ticket.is_active:
        if opens is not None and (ticket is None or not _within(ticket, chat, opens)):
            _open(book, command, opens, follows=ticket, at=at, cause=cause, traceparent=traceparent)
            return "opened", opens.ticket_id
        if ticket is None:
            return "no_ticket", None
    reopens = not ticket.is_active and opens is not None
    conversation = ticket.conversation_in(place.key)
    message = _message(chat, ticket.id, None if conversation is None else conversation.id, traceparent)
    after = _append(ticket, message, at, asks=_asks(chat, opens), reopens=reopens)
    kind = ChangeKind.REOPENED if reopens else ChangeKind.MESSAGE_ADDED
    book.record(change_of(ticket.state, after, kind, at, cause, message=message, traceparent=traceparent))
    return ("reopened" if reopens else "appended"), ticket.id


def _within(ticket: Ticket, chat: ChatMessage, opens: OpenTicket) -> bool:
    """Whether the last ticket ended recently enough, by the platform's times, to be reopened."""
    ended = ticket.state.ended_at
    return ended is not None and chat.sent_at - ended <= timedelta(seconds=opens.reopen_within)


def _asks(chat: ChatMessage, opens: OpenTicket | None) -> bool:
    """Whether somebody waits for an answer to it: a customer, or a bot that the policy lists as one."""
    return not chat.context and (chat.role is Role.CUSTOMER or (chat.role is Role.BOT and opens is not None))


def _append(ticket: Ticket, message: Message, at: datetime, *, asks: bool, reopens: bool) -> Ticket:
    state = ticket.state
    if message.context:
        return advance(ticket, at, {})
    if asks:
        fields: dict[str, object] = {
            "last_customer_message_at": latest(state.last_customer_message_at, message.sent_at)
        }
        if reopens:
            fields |= {"status": Status.OPEN, "solved_at": None, "closed_at": None, "ended_at": None}
        elif state.status.is_active:
            fields["status"] = after_customer_message(state.status)
        return advance(
            ticket, at, fields, customer_messages=ticket.customer_messages + 1, traceparent=message.traceparent
        )
    if message.author_kind is AuthorKind.AGENT:
        fields = response_fields(state, message.sent_at, message.agent_id)
        if _overtaken(state, message):
            fields["status"] = state.status
        return advance(ticket, at, fields)
    return advance(ticket, at, {})


def _overtaken(state: TicketState, message: Message) -> bool:
    """Whether the customer has written since: an answer found late, as in a gap's history, hides no question."""
    asked = state.last_customer_message_at
    return asked is not None and asked > message.sent_at


def response_fields(state: TicketState, at: datetime, agent_id: str | None) -> dict[str, object]:
    """What an answer of the desk changes, written in the chat or in the ticket."""
    return {
        "status": after_desk_message(state.status),
        "first_response_at": state.first_response_at or max(at, state.created_at),
        "last_desk_message_at": latest(state.last_desk_message_at, at),
        "pings": answered(state.pings, agent_id, at),
    }


def answered(pings: tuple[Ping, ...], agent_id: str | None, at: datetime) -> tuple[Ping, ...]:
    """The agent's open pings are answered. Platforms' clocks differ from ours: never before the ping itself."""
    if agent_id is None or not any(ping.agent_id == agent_id and ping.answered_at is None for ping in pings):
        return pings
    return tuple(
        ping.model_copy(update={"answered_at": max(at, ping.at)})
        if ping.agent_id == agent_id and ping.answered_at is None
        else ping
        for ping in pings
    )


def _open(
    book: Book,
    command: PlaceMessage,
    opens: OpenTicket,
    *,
    follows: Ticket | None,
    at: datetime,
    cause: Cause,
    traceparent: str | None,
) -> None:
    chat = command.message
    place = book.current_place(command.place)
    began = channel_of_place(command.place.key)  # as the router keys its answers
    author: PersonKey = chat.author.key
    name = book.names.get(author) or printable_name(chat.author.name)
    state = TicketState(
        id=opens.ticket_id,
        number=book.numbers.pop(0),
        subject=subject_of(chat),
        status=Status.NEW,
        priority=Priority(opens.priority),
        queue=one_line(opens.queue),
        requester=Requester(id=book.contacts.get(author) or ids.contact(author), key=author, name=name),
        version=1,
        revision=0,
        created_at=at,
        updated_at=at,
        tags=tuple(dict.fromkeys(one_line(tag) for tag in opens.tags if tag)),
        follows=None if follows is None else follows.id,
        place_key=place.key,
        conversations=(
            Conversation(
                id=opens.conversation_id, place=place, replies_key=None if began == place.channel.key else began
            ),
        ),
        last_customer_message_at=chat.sent_at,
    )
    message = _message(chat, opens.ticket_id, opens.conversation_id, traceparent)
    ticket = Ticket(state, opening_message_id=message.id, customer_messages=1, traceparent=traceparent)
    book.requesters[author] = printable_name(chat.author.name)
    book.record(change_of(None, ticket, ChangeKind.OPENED, at, cause, message=message, traceparent=traceparent))


def subject_of(chat: ChatMessage) -> str:
    """The first line of the author's own words, or of what is forwarded as a whole; else the first file's name; else
    what is quoted.
    """
    mark, _, forwarded = chat.text.partition("\n")
    text = forwarded if mark.startswith(FORWARDED) else chat.text
    own = (line for line in own_words(text).splitlines() if not line.startswith(QUOTED))
    named = (one.name for one in chat.attachments if one.name)
    quoted = (line.removeprefix(QUOTED) for line in text.splitlines())
    for line in chain(own, named, quoted):
        words = " ".join(printable(line).split())
        if words:
            return words if len(words) <= SUBJECT_LENGTH else f"{words[: SUBJECT_LENGTH - 1]}…"
    return "(no text)"


def _message(chat: ChatMessage, ticket_id: str, conversation_id: str | None, traceparent: str | None) -> Message:
    return Message(
        id=chat.message_key,
        ticket_id=ticket_id,
        kind=MessageKind.CHAT,
        author_kind=_AUTHOR[chat.role],
        text=printable(chat.text),
        sent_at=chat.sent_at,
        ordinal=ordinal(chat.message_key),
        conversation_id=conversation_id,
        author_key=chat.author.key,
        author_name=printable_name(chat.author.name),
        agent_id=chat.agent_id,
        thread=chat.thread,
        reply_to=chat.reply_to,
        attachments=chat.attachments,
        context=chat.context,
        traceparent=traceparent,
    )


def _actor(chat: ChatMessage) -> Actor:
    return Actor(kind=_ACTOR[chat.role], id=chat.agent_id or chat.author.key, name=printable_name(chat.author.name))
