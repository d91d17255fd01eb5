"""Domain values as the API's JSON. Addresses in platforms become links that a person can follow."""

from typing import Any

import orjson

from chassis.tracecontext import parse
from contracts.chat import Place
from contracts.keys import Platform, channel_of_message, message_id_of, native_channel, platform_of
from services.ticketing.api.models import (
    AuthorJson,
    ChannelJson,
    ConversationJson,
    DeliveryJson,
    HistoryJson,
    MessageJson,
    ReactionJson,
    RequesterJson,
    RevisionJson,
    SourceJson,
    TicketJson,
)
from services.ticketing.domain.ticket import Delivery, Message, MessageKind, Ticket
from services.ticketing.store.message_list import HistoryEntry, ShownMessage
from services.ticketing.store.ticket_list import ShownTicket


def trace_id(traceparent: str | None) -> str | None:
    context = parse(traceparent)
    return None if context is None else context.trace_id


def etag(ticket: Ticket) -> dict[str, str]:
    return {"ETag": f'"{ticket.state.revision}"'}


def ticket_json(shown: ShownTicket) -> TicketJson:
    state = shown.ticket.state
    return TicketJson(
        id=state.id,
        number=state.number,
        subject=state.subject,
        status=state.status,
        priority=state.priority,
        queue=state.queue,
        assignee=state.assignee_id,
        assignee_name=shown.assignee_name,
        tags=list(state.tags),
        requester=RequesterJson(id=state.requester.id, key=state.requester.key, name=shown.requester_name),
        platform=shown.platform,
        channel=None if shown.channel_key is None else ChannelJson(key=shown.channel_key, name=shown.channel_name),
        version=state.version,
        revision=state.revision,
        created_at=state.created_at,
        updated_at=state.updated_at,
        first_response_at=state.first_response_at,
        solved_at=state.solved_at,
        closed_at=state.closed_at,
        last_customer_message_at=state.last_customer_message_at,
        last_desk_message_at=state.last_desk_message_at,
        follows=state.follows,
        pings=list(state.pings),
        conversations=[
            ConversationJson(
                id=one.id,
                place_key=one.place.key,
                platform=one.place.channel.platform,
                channel_key=one.place.channel.key,
                thread=one.place.thread,
            )
            for one in state.conversations
        ],
        trace_id=trace_id(shown.ticket.traceparent),
    )


def message_json(shown: ShownMessage, ticket: Ticket) -> MessageJson:
    message = shown.message
    return MessageJson(
        id=message.id,
        ticket_id=message.ticket_id,
        conversation_id=message.conversation_id,
        kind=message.kind.value,
        author=AuthorJson(kind=message.author_kind, name=shown.name, key=message.author_key, agent_id=message.agent_id),
        text=message.text,
        internal=message.kind is MessageKind.NOTE,
        context=message.context,
        created_at=message.sent_at,
        edited_at=message.edited_at,
        deleted_at=message.deleted_at,
        reply_to=message.reply_to,
        revisions=[RevisionJson(text=one.text, replaced_at=one.replaced_at) for one in message.revisions],
        attachments=list(message.attachments),
        source=_source(message, ticket),
        delivery=None if message.delivery is None else _delivery(message.delivery),
        reactions=[
            ReactionJson(
                name=one.name,
                person_key=one.person_key,
                at=one.at,
                author_kind=one.author_kind,
                agent_id=one.agent_id,
            )
            for one in message.reactions
            if one.added
        ],
        trace_id=trace_id(message.traceparent),
    )


def _delivery(delivery: Delivery) -> DeliveryJson:
    return DeliveryJson(
        state=delivery.state,
        operation=delivery.operation,
        operation_state=delivery.operation_state,
        attempts=delivery.attempts,
        error=delivery.error,
        error_code=delivery.error_code,
        message_key=delivery.message_keys[0] if delivery.message_keys else None,
        message_keys=list(delivery.message_keys),
    )


def _source(message: Message, ticket: Ticket) -> SourceJson | None:
    key = message.message_key
    conversation = None if message.conversation_id is None else ticket.conversation(message.conversation_id)
    if message.kind is MessageKind.NOTE or (key is None and conversation is None):
        return None
    place = None if conversation is None else conversation.place
    thread = message.thread
    if message.kind.is_delivered and place is not None:
        thread = place.thread
    channel = channel_of_message(key) if key is not None else place.channel.key if place is not None else ""
    return SourceJson(
        platform=platform_of(channel).value,
        channel_key=channel,
        thread=thread,
        message_key=key,
        permalink=None if key is None else permalink(key, thread, place),
    )


def permalink(message_key: str, thread: str | None, place: Place | None) -> str | None:
    """Slack redirects `slack.com/archives/...` to the workspace; Telegram has links for supergroups (-100...) only."""
    channel = native_channel(channel_of_message(message_key))
    message = message_id_of(message_key)
    if platform_of(message_key) is Platform.SLACK:
        link = f"https://slack.com/archives/{channel}/p{message.replace('.', '')}"
        return f"{link}?thread_ts={thread}&cid={channel}" if thread and thread != message else link
    if not channel.startswith("-100"):
        return None
    topic = f"/{thread}" if thread and place is not None and place.thread == thread else ""
    return f"https://t.me/c/{channel[4:]}{topic}/{message}"


_FIELDS = {"assignee_id": "assignee"}
"""What the API calls a field otherwise than `ticket.events`, and the history kept of them, do."""


def history_json(entry: HistoryEntry) -> HistoryJson:
    changes: dict[str, Any] = orjson.loads(entry.changes)
    return HistoryJson(
        version=entry.version,
        at=entry.at,
        kind=entry.kind,
        actor={"kind": entry.actor_kind, "id": entry.actor_id, "name": entry.actor_name},
        cause={"kind": entry.cause_kind, "id": entry.cause_id},
        changes={_FIELDS.get(name, name): one for name, one in changes.items()},
        message_id=entry.message_id,
        trace_id=trace_id(entry.traceparent),
    )
