"""Messages, replies and notes. A reply is stored and queued in one transaction; the notifier delivers it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from chassis.database import Connection
from chassis.telemetry import DELIVERY_ID, TICKET_ID, start_span
from chassis.tracecontext import current_traceparent
from contracts.chat_replies_v1 import (
    CancelReply,
    ConfirmReply,
    DeleteReply,
    EditReply,
    PostReply,
    ReplyInstruction,
    ReplySource,
    ResendReply,
)
from contracts.ticket_events_v1 import Conversation
from services.ticketing.api.changing import lock_ticket, message_of_ticket, save_change, shown_ticket
from services.ticketing.api.context import AgentCaller, Caller, Reader, Services, ServicesOf
from services.ticketing.api.cursors import decode, encode
from services.ticketing.api.models import MessageJson, NoteBody, Page, PageQuery, ReplyBody, ReplyPatch
from services.ticketing.api.once import Answer, Idempotent, change, once
from services.ticketing.api.problems import Problem, invalid
from services.ticketing.api.views import message_json
from services.ticketing.domain import desk_changes
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.deliveries import IllegalInstruction, post_instruction
from services.ticketing.domain.desk_changes import Mention
from services.ticketing.domain.ticket import Message, MessageKind, Ticket
from services.ticketing.store.agents import agents_by_id
from services.ticketing.store.message_list import ShownMessage, find_message, list_messages

router = APIRouter(prefix="/v1/tickets/{ticket}", tags=["messages"])


@router.get("/messages", summary="Messages of a ticket")
async def get_messages(
    ticket: str, query: Annotated[PageQuery, Query()], services: ServicesOf, caller: Reader
) -> Page[MessageJson]:
    """In the platform's order: what the customer and the desk wrote, replies and notes."""
    del caller
    after = decode(query.cursor, "messages", (datetime, int, str))
    async with services.database.connection() as connection:
        shown = await shown_ticket(connection, ticket)
        found = await list_messages(connection, shown.ticket.id, after, query.limit + 1)
    items = found[: query.limit]
    cursor = None
    if len(found) > query.limit:
        last = items[-1].message
        cursor = encode("messages", [last.sent_at.isoformat(), last.ordinal, last.id])
    return Page(items=[message_json(one, shown.ticket) for one in items], next_cursor=cursor)


@router.post(
    "/replies", response_model=MessageJson, status_code=201, dependencies=[Idempotent], summary="Reply to the customer"
)
async def post_reply(
    ticket: str, body: ReplyBody, request: Request, services: ServicesOf, caller: AgentCaller
) -> Response:
    """The reply appears in the customer's thread or dialog; `delivery` of the message follows its way. Mentioned agents
    are mentioned in the chat, and the ticket's `pings` show when they answered.
    """

    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        conversation = _conversation(locked, body.conversation_id)
        mentions = await _mentions(connection, conversation, body.mentions)
        writer = await caller.writer(connection, body.agent_id)
        at = services.clock.now()
        cause = caller.cause(request, writer)
        with start_span("write reply", links=(locked.traceparent,), attributes={TICKET_ID: locked.id}) as span:
            done = desk_changes.write_reply(
                locked, conversation, writer, body.text, mentions, at, cause, span.traceparent
            )
            reply = _written(done)
            span.set(DELIVERY_ID, reply.id)
            post = PostReply(
                instruction_id=post_instruction(reply.id),
                delivery_id=reply.id,
                **_keys(conversation),
                requested_at=at,
                conversation_id=conversation.id,
                place=conversation.place,
                text=reply.text,
                source=ReplySource.AGENT,
                ticket_id=locked.id,
                mentions=reply.mentions,
            )
            await save_change(connection, locked, done, at, instructions=[post])
        return Answer(201, message_json(ShownMessage(reply, writer.name), done.ticket))

    return await once(request, caller, work)


@router.post("/notes", response_model=MessageJson, status_code=201, dependencies=[Idempotent], summary="Add a note")
async def post_note(
    ticket: str, body: NoteBody, request: Request, services: ServicesOf, caller: AgentCaller
) -> Response:
    """For the desk only; the customer never sees it."""

    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        writer = await caller.writer(connection, body.agent_id)
        at = services.clock.now()
        cause = caller.cause(request, writer)
        done = desk_changes.write_note(locked, writer, body.text, at, cause, current_traceparent.get())
        await save_change(connection, locked, done, at)
        return Answer(201, message_json(ShownMessage(_written(done), writer.name), done.ticket))

    return await once(request, caller, work)


@router.patch("/replies/{reply}", response_model=MessageJson, summary="Edit a reply")
async def patch_reply(
    ticket: str, reply: str, body: ReplyPatch, request: Request, services: ServicesOf, caller: AgentCaller
) -> Response:
    """The text changes in the chat too; the former one stays in `revisions`."""

    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        message = await message_of_ticket(connection, locked, reply)
        at = services.clock.now()
        with _legal():
            done = desk_changes.revise_reply(
                locked, message, body.text, at, caller.cause(request), current_traceparent.get()
            )
        if done is not None:
            revised = _written(done)
            edit = EditReply(**_instruction(done, "edit", at), text=revised.text, mentions=revised.mentions)
            await save_change(connection, locked, done, at, known=message, instructions=[edit])
        return await _answer(connection, locked if done is None else done.ticket, reply)

    return await change(request, work)


@router.delete("/replies/{reply}", response_model=MessageJson, summary="Delete a reply")
async def delete_reply(
    ticket: str, reply: str, request: Request, services: ServicesOf, caller: AgentCaller
) -> Response:
    """It is deleted in the chat too, or not sent if it is still queued; its text stays in the ticket. Repeated, it
    changes nothing.
    """

    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        message = await message_of_ticket(connection, locked, reply)
        if message.kind is MessageKind.REPLY and message.deleted_at is not None:
            return await _answer(connection, locked, reply)
        at = services.clock.now()
        with _legal():
            done = desk_changes.delete_reply(locked, message, at, caller.cause(request), current_traceparent.get())
        delete = DeleteReply(**_instruction(done, "delete", at))
        await save_change(connection, locked, done, at, known=message, instructions=[delete])
        return await _answer(connection, done.ticket, reply)

    return await change(request, work)


_DECISIONS: dict[str, type[ReplyInstruction]] = {"resend": ResendReply, "confirm": ConfirmReply, "cancel": CancelReply}


@router.post(
    "/replies/{reply}/resend", response_model=MessageJson, dependencies=[Idempotent], summary="Send a reply again"
)
async def resend(ticket: str, reply: str, request: Request, services: ServicesOf, caller: AgentCaller) -> Response:
    """When its delivery failed, or when it is unknown whether it arrived and you saw that it didn't."""
    return await _decide("resend", ticket, reply, request, services, caller)


@router.post(
    "/replies/{reply}/confirm", response_model=MessageJson, dependencies=[Idempotent], summary="Say that it arrived"
)
async def confirm(ticket: str, reply: str, request: Request, services: ServicesOf, caller: AgentCaller) -> Response:
    """When it was unknown whether the reply arrived, and you saw it in the chat."""
    return await _decide("confirm", ticket, reply, request, services, caller)


@router.post("/replies/{reply}/cancel", response_model=MessageJson, dependencies=[Idempotent], summary="Don't send it")
async def cancel(ticket: str, reply: str, request: Request, services: ServicesOf, caller: AgentCaller) -> Response:
    """When it hasn't been sent yet. If it is being sent this moment, `delivery` tells which came first."""
    return await _decide("cancel", ticket, reply, request, services, caller)


async def _decide(
    operation: Literal["resend", "confirm", "cancel"],
    ticket: str,
    reply: str,
    request: Request,
    services: Services,
    caller: Caller,
) -> Response:
    async def work(connection: Connection) -> Answer:
        locked = await lock_ticket(connection, ticket)
        message = await message_of_ticket(connection, locked, reply)
        at = services.clock.now()
        with _legal():
            done = desk_changes.instruct(
                locked, message, operation, at, caller.cause(request), current_traceparent.get()
            )
        instruction = _DECISIONS[operation](**_instruction(done, operation, at))
        await save_change(connection, locked, done, at, known=message, instructions=[instruction])
        return await _answer(connection, done.ticket, reply)

    return await once(request, caller, work)


class _legal:  # noqa: N801 - reads as a word at its uses
    """An instruction that the delivery's state doesn't allow is a 409 that says what is possible."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, IllegalInstruction):
            detail = f"{str(error)[0].upper()}{str(error)[1:]}."
            raise Problem(409, "illegal-delivery-state", detail) from error


def _instruction(done: TicketChange, operation: str, at: datetime) -> dict[str, Any]:
    """The common fields."""
    message = _written(done)
    conversation = None if message.conversation_id is None else done.ticket.conversation(message.conversation_id)
    if conversation is None:
        raise Problem(409, "no-conversation", "The reply's conversation isn't part of this ticket any more.")
    return {
        "instruction_id": f"{message.id}:{operation}:{done.event.version}",
        "delivery_id": message.id,
        **_keys(conversation),
        "requested_at": at,
        "conversation_id": conversation.id,
        "seen_version": 0 if message.delivery is None else message.delivery.version,
    }


def _keys(conversation: Conversation) -> dict[str, Any]:
    """One key for the conversation's life, also when its channel moved: an edit can't overtake its post, nor a reply
    the one before it.
    """
    present = conversation.place.channel.key
    if conversation.replies_key is None:
        return {"channel_key": present}
    return {"channel_key": conversation.replies_key, "moved_to": present}


def _written(done: TicketChange) -> Message:
    assert done.message is not None  # noqa: S101
    return done.message


async def _answer(connection: Connection, ticket: Ticket, message_id: str) -> Answer:
    shown = await find_message(connection, ticket.id, message_id)
    assert shown is not None  # noqa: S101
    return Answer(200, message_json(shown, ticket))


def _conversation(ticket: Ticket, conversation_id: str | None) -> Conversation:
    conversations = ticket.state.conversations
    if not conversations:
        raise Problem(409, "no-conversation", "This ticket has no conversation to reply in; write a note instead.")
    if conversation_id is None:
        return conversations[-1]
    found = ticket.conversation(conversation_id)
    if found is None:
        names = ", ".join(one.id for one in conversations)
        raise invalid("body.conversation_id", f"the ticket has no conversation {conversation_id!r}; it has {names}")
    return found


async def _mentions(connection: Connection, conversation: Conversation, wanted: Sequence[str]) -> list[Mention]:
    """Each agent with an identity on the conversation's platform; 422 naming those without one."""
    if not wanted:
        return []
    platform = conversation.place.channel.platform
    agents = await agents_by_id(connection, wanted)
    unknown = [one for one in wanted if one not in agents or not agents[one].active]
    if unknown:
        raise invalid("body.mentions", f"there is no active agent {', '.join(unknown)}")
    found: dict[str, Mention] = {}
    missing = []
    for agent_id in wanted:
        key = agents[agent_id].identity_on(platform)
        if key is None:
            missing.append(f"{agents[agent_id].name} ({agent_id})")
        else:
            found[agent_id] = Mention(agent_id, agents[agent_id].name, key)
    if missing:
        message = f"{', '.join(missing)} can't be mentioned on {platform}: no identity there; PATCH /v1/agents adds one"
        raise invalid("body.mentions", message)
    return list(found.values())
