"""Decisions taken from the commands that carried them out: what the view needs of them, without deciding again.

The inverse of `commands.outgoing`, for `okno restore`. Pure. What left no command changes the view too: who spoke last,
changes that wait for their message. That much is decided anew, by the same rules, and nothing else of it is taken.
"""

from collections.abc import Sequence

from contracts import ids
from contracts.chat import ChannelType
from contracts.chat_events_v1 import ChatEvent, MessagePosted
from contracts.keys import PlaceKey, message_id_of, place_key
from contracts.ticket_commands_v1 import (
    CloseTicket,
    MoveChannel,
    PlaceMessage,
    RecordAutomaticAnswer,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
    Role,
    TicketCommand,
)
from services.router.decide.decisions import (
    Address,
    AliasChannel,
    Answer,
    Close,
    Decision,
    Ignore,
    KeepEarly,
    PlacePost,
    React,
    Remove,
    Revise,
    Speak,
)
from services.router.decide.known import View, content_of

NOTHING_CAME_OF_IT = Ignore("restored", "it was decided before the database was set back, and nothing came of it")


def taken(event: ChatEvent, commands: Sequence[TicketCommand], view: View) -> list[Decision]:
    """The decisions behind an event's commands, in their order. Without commands it isn't for this function."""
    decisions = [one for command in commands for one in _decision(event, command, view)]
    placed = next((one for one in decisions if isinstance(one, PlacePost)), None)
    if isinstance(event, MessagePosted) and _aloud(event) and (placed is None or not placed.context):
        place = None if placed is None else placed.address.key
        decisions.append(Speak(event.channel.key, event.backfilled, event.author.key, event.occurred_at, place))
    return decisions


def of_no_effect(decided: Sequence[Decision]) -> list[Decision]:
    """What is left of decisions made anew about an event of which nothing was published."""
    left: list[Decision] = [one for one in decided if isinstance(one, Ignore | KeepEarly | Speak)]
    return left if len(left) == len(decided) else [NOTHING_CAME_OF_IT, *left]


def _decision(event: ChatEvent, command: TicketCommand, view: View) -> list[Decision]:
    rule = command.decided.rule
    match command:
        case PlaceMessage() if isinstance(event, MessagePosted) and command.message.message_key == event.message_key:
            return [_placed(event, command, view)]
        case ReviseMessage():
            content = content_of(command.text, command.attachments)
            at = command.edited_at
            return [Revise(rule, command.message_key, command.text, command.attachments, content, at)]
        case RemoveMessage():
            return [Remove(rule, command.message_key, command.deleted_at)]
        case RecordReaction():
            key, person = command.message_key, command.person
            role = command.role or Role.CUSTOMER
            return [
                React(
                    rule,
                    key,
                    person,
                    command.name,
                    command.added,
                    command.at,
                    role=role,
                    agent_id=command.agent_id,
                )
            ]
        case CloseTicket():
            return [Close(rule, command.role, command.place_key, command.ticket_id or "")]
        case MoveChannel():
            return [AliasChannel(rule, command.channel_key, command.channel)]
        case RecordAutomaticAnswer():
            place = command.place
            address = Address(place.key, place.thread, place.reply_to)
            return [Answer(rule, rule.removeprefix("answer_"), command.text, address, "", None)]
        case _:
            return []


def _placed(event: MessagePosted, command: PlaceMessage, view: View) -> PlacePost:
    """A conversation began with it where the ticket that it may open is the one that it is for."""
    place, message, opens = command.place, command.message, command.open
    known = view.place(place.key)
    starts = known is None or (opens is not None and opens.ticket_id == command.ticket_id)
    if opens is not None and opens.ticket_id == command.ticket_id:
        conversation = opens.conversation_id
    else:  # without a known place its beginning is past retention: what follows goes on from here
        conversation = ids.conversation(place.key, event.message_key) if known is None else known.conversation_id
    return PlacePost(
        command.decided.rule,
        message.role,
        message.agent_id,
        Address(place.key if known is None else known.key, place.thread, place.reply_to),
        conversation,
        command.ticket_id or ids.ticket(place.key, event.message_key),
        content_of(event.text, event.attachments),
        context=message.context,
        starts=starts,
        alias=_alias(event, place.key),
    )


def _alias(event: MessagePosted, home: PlaceKey) -> PlaceKey | None:
    """A top-level message's own thread leads to the place that it joined; plain groups have no threads."""
    own = place_key(event.channel.key, message_id_of(event.message_key))
    return own if _aloud(event) and event.channel.type is not ChannelType.GROUP and own != home else None


def _aloud(event: MessagePosted) -> bool:
    """As `where.Where.aloud`: the whole channel hears it."""
    return not event.channel.type.is_dialog and event.channel.type is not ChannelType.FORUM and event.thread is None
