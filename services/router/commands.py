"""Decisions rendered as the records that carry them out. Pure: the same decisions give the same records and ids.

A command's id comes from its event's; a change that came early keeps its own event's id, times and trace. A message
placed as context has an id that no other decision about it had: it may have been answered when it came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts import chat, ids
from contracts.base import RecordModel
from contracts.chat_events_v1 import ChatEvent, MessagePosted
from contracts.chat_replies_v1 import PostReply, ReplySource
from contracts.chat_requests_v1 import ReadThread
from contracts.keys import channel_of_place
from contracts.ticket_commands_v1 import (
    CloseTicket,
    MoveChannel,
    PlaceMessage,
    RecordAutomaticAnswer,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
)
from services.router.decide import decisions as d
from services.router.decide.known import EarlyChange


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event was decided: its record, by which policy."""

    partition: int
    offset: int
    policy_version: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be published, when its fact happened and under which trace."""

    model: RecordModel
    time: datetime
    traceparent: str | None


def outgoing(event: ChatEvent, decisions: Sequence[d.Decision], origin: Origin) -> Iterator[Outgoing]:
    """The records of one event's decisions, in order."""
    render = _Render(event, origin)
    for decision in decisions:
        yield from render.one(decision)


class _Render:
    def __init__(self, event: ChatEvent, origin: Origin) -> None:
        self._event = event
        self._event_id = event.record_id
        self._origin = origin
        self._counts: dict[str, int] = {}

    def one(self, decision: d.Decision) -> Iterator[Outgoing]:
        match decision:
            case d.PlacePost():
                yield self._out(self._placed(decision))
            case d.Revise():
                yield self._out(self._revised(decision), decision.early)
            case d.Remove():
                yield self._out(self._removed(decision), decision.early)
            case d.React():
                yield self._out(self._reaction(decision), decision.early)
            case d.Close():
                yield self._out(self._closed(decision))
            case d.Answer():
                yield self._out(self._answer_recorded(decision))
                yield self._out(self._answer_posted(decision))
            case d.RequestHistory():
                yield self._out(self._history(decision))
            case d.AliasChannel():
                yield self._out(self._moved(decision))
            case _:
                pass

    def _out(self, model: RecordModel, early: EarlyChange | None = None) -> Outgoing:
        if early is not None:
            return Outgoing(model, early.event.occurred_at, early.traceparent)
        return Outgoing(model, self._event.occurred_at, self._origin.traceparent)

    def _next_id(self, event_id: str) -> str:
        index = self._counts.get(event_id, 0)
        self._counts[event_id] = index + 1
        return ids.command(event_id, index)

    def _decided(self, rule: str) -> chat.Decided:
        origin = self._origin
        return chat.Decided(
            partition=origin.partition, offset=origin.offset, rule=rule, policy_version=origin.policy_version
        )

    def _place(self, address: d.Address) -> chat.Place:
        return chat.Place(
            key=address.key, channel=self._event.channel, thread=address.thread, reply_to=address.reply_to
        )

    # --- ticket.commands -------------------------------------------------------------------------------------------

    def _placed(self, placed: d.PlacePost) -> PlaceMessage:
        """Most of what the router writes: one call of the validator for the whole nest takes half the time of five."""
        event, origin, address, opening = self._event, self._origin, placed.address, placed.open
        assert isinstance(event, MessagePosted)  # noqa: S101 - only posts are placed
        source = f"{self._event_id}:context" if placed.context else self._event_id
        return PlaceMessage.model_validate(
            {
                "command_id": self._next_id(source),
                "event_id": self._event_id,
                "decided": {
                    "partition": origin.partition,
                    "offset": origin.offset,
                    "rule": placed.rule,
                    "policy_version": origin.policy_version,
                },
                "received_at": event.received_at,
                "channel_key": event.channel.key,
                "message": {
                    "message_key": event.message_key,
                    "author": event.author,
                    "role": placed.role,
                    "text": event.text,
                    "sent_at": event.occurred_at,
                    "agent_id": placed.agent_id,
                    "thread": event.thread,
                    "reply_to": event.reply_to,
                    "attachments": event.attachments,
                    "context": placed.context,
                },
                "place": {
                    "key": address.key,
                    "channel": event.channel,
                    "thread": address.thread,
                    "reply_to": address.reply_to,
                },
                "ticket_id": placed.ticket_id,
                "open": None
                if opening is None
                else {
                    "ticket_id": opening.ticket_id,
                    "conversation_id": opening.conversation_id,
                    "reopen_within": opening.reopen_within.total_seconds(),
                    "queue": opening.queue,
                    "priority": opening.priority,
                    "tags": opening.tags,
                },
            }
        )

    def _revised(self, revised: d.Revise) -> ReviseMessage:
        event_id, received_at = self._source(revised.early)
        return ReviseMessage(
            command_id=self._next_id(event_id),
            event_id=event_id,
            decided=self._decided(revised.rule),
            received_at=received_at,
            channel_key=self._event.channel.key,
            message_key=revised.message_key,
            text=revised.text,
            edited_at=revised.at,
            attachments=revised.attachments,
        )

    def _removed(self, removed: d.Remove) -> RemoveMessage:
        event_id, received_at = self._source(removed.early)
        return RemoveMessage(
            command_id=self._next_id(event_id),
            event_id=event_id,
            decided=self._decided(removed.rule),
            received_at=received_at,
            channel_key=self._event.channel.key,
            message_key=removed.message_key,
            deleted_at=removed.at,
        )

    def _reaction(self, reaction: d.React) -> RecordReaction:
        event_id, received_at = self._source(reaction.early)
        return RecordReaction(
            command_id=self._next_id(event_id),
            event_id=event_id,
            decided=self._decided(reaction.rule),
            received_at=received_at,
            channel_key=self._event.channel.key,
            message_key=reaction.message_key,
            person=reaction.person,
            name=reaction.name,
            added=reaction.added,
            at=reaction.at,
            role=reaction.role,
            agent_id=reaction.agent_id,
        )

    def _source(self, early: EarlyChange | None) -> tuple[str, datetime]:
        if early is None:
            return self._event_id, self._event.received_at
        return early.event.record_id, early.event.received_at

    def _closed(self, closed: d.Close) -> CloseTicket:
        event = self._event
        assert isinstance(event, MessagePosted)  # noqa: S101 - only a post says /close
        return CloseTicket(
            command_id=self._next_id(self._event_id),
            event_id=self._event_id,
            decided=self._decided(closed.rule),
            received_at=event.received_at,
            channel_key=event.channel.key,
            place_key=closed.place,
            by=event.author,
            role=closed.role,
            at=event.occurred_at,
            ticket_id=closed.ticket_id,
        )

    def _answer_recorded(self, answer: d.Answer) -> RecordAutomaticAnswer:
        event = self._event
        return RecordAutomaticAnswer(
            command_id=self._next_id(self._event_id),
            event_id=self._event_id,
            decided=self._decided(answer.rule),
            received_at=event.received_at,
            channel_key=event.channel.key,
            reply_id=ids.automatic_reply(self._event_id, answer.name),
            place=self._place(answer.address),
            text=answer.text,
            at=event.received_at,
        )

    def _moved(self, moved: d.AliasChannel) -> MoveChannel:
        return MoveChannel(
            command_id=self._next_id(self._event_id),
            event_id=self._event_id,
            decided=self._decided(moved.rule),
            received_at=self._event.received_at,
            channel_key=moved.old,
            channel=moved.channel,
        )

    # --- other topics ----------------------------------------------------------------------------------------------

    def _answer_posted(self, answer: d.Answer) -> PostReply:
        """Its id is the delivery's: the same event and answer are posted once, however often they are decided.

        Its key is the one that the place began with, as it is of the conversation's other replies: they stay in order.
        """
        began, present = channel_of_place(answer.address.key), self._event.channel.key
        reply_id = ids.automatic_reply(self._event_id, answer.name)
        return PostReply(
            instruction_id=reply_id,
            delivery_id=reply_id,
            channel_key=began,
            moved_to=None if began == present else present,
            requested_at=self._event.received_at,
            conversation_id=answer.conversation_id,
            place=self._place(answer.address),
            text=answer.text,
            source=ReplySource.AUTOMATIC,
            ticket_id=answer.ticket_id,
            decided=self._decided(answer.rule),
        )

    def _history(self, request: d.RequestHistory) -> ReadThread:
        return ReadThread(
            request_id=self._next_id(self._event_id),
            channel=self._event.channel,
            thread=request.thread,
            before=request.before,
        )
