"""An event back into what it tells of: the ticket and the message as they were stored when it was written.

The inverse of `change_of` and `Message.view`, for `okno restore`. What an older writer left out is guessed from what it
wrote, or absent.
"""

from contracts.keys import MessageKey, PersonKey, ordinal
from contracts.ticket_events_v1 import ChangeKind, DeliveryStateView, MessageState, ReactionState, TicketChanged
from services.ticketing.domain.deliveries import AFTER_CHAT
from services.ticketing.domain.ticket import AuthorKind, Delivery, Message, MessageKind, Reaction, Ticket

_PLACED = (ChangeKind.OPENED, ChangeKind.MESSAGE_ADDED, ChangeKind.REOPENED)


def ticket_of(event: TicketChanged, traceparent: str | None) -> Ticket:
    """`traceparent` is the event's: the ticket keeps it where a customer's message changed it, else None."""
    return Ticket(
        event.ticket,
        opening_message_id=event.opening_message_id,
        customer_messages=1 if event.customer_messages is None else event.customer_messages,
        traceparent=traceparent if _asks(event) else None,
    )


def _asks(event: TicketChanged) -> bool:
    """Whether it is about a customer's new message, or a bot's that the policy takes for one."""
    message = event.message
    if message is None or message.context or event.kind not in _PLACED:
        return False
    asked = event.ticket.last_customer_message_at == message.created_at
    return message.author_kind == AuthorKind.CUSTOMER or (message.author_kind == AuthorKind.BOT and asked)


def message_of(event: TicketChanged, traceparent: str | None) -> Message | None:
    """The event's message, if it has one."""
    state = event.message
    if state is None:
        return None
    kind = _kind(state)
    return Message(
        id=state.id,
        ticket_id=event.ticket_id,
        kind=kind,
        author_kind=AuthorKind(state.author_kind),
        text=state.text,
        sent_at=state.created_at,
        ordinal=ordinal(state.id) if kind is MessageKind.CHAT else AFTER_CHAT,
        conversation_id=state.conversation_id,
        author_key=None if state.author_key is None else PersonKey(state.author_key),
        author_name=state.author_name,
        agent_id=state.agent_id,
        thread=state.thread,
        reply_to=state.reply_to,
        attachments=state.attachments or (),
        mentions=state.mentions or (),
        context=state.context or False,
        edited_at=state.edited_at,
        deleted_at=state.deleted_at,
        revisions=state.revisions,
        reactions=(*_reactions(state.reactions, added=True), *_reactions(state.removed_reactions or (), added=False)),
        delivery=None if state.delivery is None else _delivery(state.delivery),
        traceparent=traceparent,
    )


def lacks_details(event: TicketChanged) -> bool:
    """Whether an older writer wrote it, without what restoring needs beside the state."""
    return event.customer_messages is None


def _kind(state: MessageState) -> MessageKind:
    if state.kind is not None:
        return MessageKind(state.kind)
    if state.internal:
        return MessageKind.NOTE
    if state.delivery is None:
        return MessageKind.CHAT
    return MessageKind.AUTOMATIC if state.author_kind == AuthorKind.BOT else MessageKind.REPLY


def _reactions(states: tuple[ReactionState, ...], *, added: bool) -> list[Reaction]:
    return [
        Reaction(
            one.person,
            one.name,
            added,
            one.at,
            None if one.author_kind is None else AuthorKind(one.author_kind),
            one.agent_id,
        )
        for one in states
    ]


def _delivery(state: DeliveryStateView) -> Delivery:
    keys: tuple[MessageKey, ...] = state.message_keys or (() if state.message_key is None else (state.message_key,))
    return Delivery(
        state=state.state,
        operation=state.operation or "post",
        operation_state=state.operation_state or state.state,
        attempts=state.attempts,
        error_code=state.error_code,
        error=state.error,
        version=state.version or 0,
        message_keys=keys,
    )
