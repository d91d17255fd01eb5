"""Handles a batch: what others say first, then the chat events in order, then everything written at once.

Invariants: an event is decided once, however often it arrives; view, decision records and commands commit together;
the order of a partition's events is the order of their commands in its outbox lane.

What is about one message may come on two partitions, to two processes at once: a reaction, and the receipt that tells
whose message it is on; what is said under the two keys of a channel that moved. Both hold the message, and whichever is
second sees the first. A move waits for all batches in hand and lets none begin, so a batch knows it as a whole or not.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from chassis import metrics, outbox
from chassis.database import Connection, hold
from chassis.outbox import OutboxRow
from chassis.records import Record
from chassis.telemetry import (
    EVENT_ID,
    PLATFORM,
    POLICY_VERSION,
    RULE,
    TICKET_ID,
    Attribute,
    Span,
    is_unsampled,
    start_batch_span,
    start_message_span,
)
from contracts.base import RecordModel
from contracts.chat_events_v1 import (
    ChannelMoved,
    ChatEvent,
    MessageDeleted,
    MessageEdited,
    MessagePosted,
    ReactionChanged,
)
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.keys import MessageKey, message_id_of
from contracts.ticket_commands_v1 import RecordAutomaticAnswer
from services.router.commands import Origin, outgoing
from services.router.decide import changes, decide_once
from services.router.decide.decisions import Answer, Close, Decision, PlacePost, React
from services.router.policy import ReadyPolicy
from services.router.records import record_of
from services.router.view import reference, tickets
from services.router.view.aliases import Aliases
from services.router.view.load import load
from services.router.view.overlay import Overlay, rule_of
from services.router.view.posts import store_receipts
from services.router.view.reference import ReferenceCache
from services.router.view.store import DecisionRecord, decided_from, store

CONSUMER = "router"
SOURCE = "okno/router"
EVENTS = "chat.events.v1"
RECEIPTS = "chat.receipts.v1"
STAFF = "desk.staff.v1"
POLICY = "desk.policy.v1"

M = TypeVar("M", bound=RecordModel)

_SAID_BY_OTHERS: dict[str, Callable[[Connection, Sequence[Record]], Awaitable[None]]] = {
    STAFF: reference.store_staff,
    POLICY: reference.store_policy,
    "chat.profiles.v1": reference.store_names,
    "ticket.events.v1": tickets.store_tickets,
}
TOPICS: tuple[str, ...] = (EVENTS, *_SAID_BY_OTHERS, RECEIPTS)
UNHURRIED = frozenset({"ticket.events.v1", "chat.profiles.v1"})
"""They decide nothing by themselves, so they may wait for events to share a transaction with."""
# Every batch locks its positions first.
_HOLD_BATCHES = """
SELECT FROM positions WHERE consumer = $1 AND topic = ANY($2::text[]) ORDER BY topic, partition FOR UPDATE"""
_STRIDE = 1000
"""More than a topic will ever have partitions."""


def lane_of(topic: str, partition: int) -> int:
    """The outbox lane of what comes of a topic's partition. `chat.events` has lanes 0 to 999."""
    return TOPICS.index(topic) * _STRIDE + partition


class Worker:
    """`publish` false is observe mode: decisions are made and recorded, nothing is sent."""

    def __init__(
        self, *, publish: bool, wrote: Callable[[Sequence[int], Sequence[OutboxRow]], None] = lambda _ids, _rows: None
    ) -> None:
        self._publish = publish
        self._wrote = wrote
        self._reference = ReferenceCache()

    async def handle(self, records: Sequence[Record], connection: Connection) -> None:
        """Everything of a batch, inside its transaction."""
        by_topic: dict[str, list[Record]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        for topic, take in _SAID_BY_OTHERS.items():
            if said := by_topic.get(topic):
                await take(connection, said)
        events = _of_type(by_topic.get(EVENTS, ()), ChatEvent)
        receipts = _of_type(by_topic.get(RECEIPTS, ()), DeliveryChanged)
        if events or receipts:
            await self._decide(connection, events, receipts)

    async def _decide(
        self,
        connection: Connection,
        events: Sequence[tuple[Record, ChatEvent]],
        receipts: Sequence[tuple[Record, DeliveryChanged]],
    ) -> None:
        asked = [event for _, event in events]
        if any(isinstance(event, ChannelMoved) for event in asked):
            await connection.execute(_HOLD_BATCHES, CONSUMER, [EVENTS, RECEIPTS])
        known = await self._reference.fresh(connection) if receipts else self._reference.kept
        await hold(connection, _held(events, receipts, known.aliases))
        named = await store_receipts(connection, [receipt for _, receipt in receipts], known.aliases)
        if not events and not named:
            return
        overlay = Overlay(known.staff, known.aliases)
        while (numbers := await load(connection, overlay, asked, named)) != known.numbers:
            known = await self._reference.read(connection, numbers)
            await hold(connection, _held(events, receipts, known.aliases))
            overlay = Overlay(known.staff, known.aliases)
        batch = Batch(overlay, known.policy, publish=self._publish)
        if named:
            by_key = {key: record for record, receipt in receipts for key in receipt.message_keys}
            kept = [early.event.record_id for key in named for early in overlay.early(key)]
            batch.catch_up({key: by_key[key] for key in named}, await decided_from(connection, kept))
        batch.decide_all(events)
        await store(connection, overlay.changed, list(batch.decided.values()))
        self._wrote(await outbox.add(connection, batch.rows), batch.rows)
        batch.count()


class Batch:
    """The decisions of one batch, one after another."""

    def __init__(self, overlay: Overlay, policy: ReadyPolicy, *, publish: bool) -> None:
        self._overlay = overlay
        self._policy = policy
        self._publish = publish
        self.decided: dict[str, DecisionRecord] = {}
        self.rows: list[OutboxRow] = []
        self._rules: Counter[tuple[str, str]] = Counter()
        self._answers: Counter[tuple[str, str]] = Counter()

    def catch_up(self, named: Mapping[MessageKey, Record], kept_from: Mapping[str, tuple[int, int]]) -> None:
        """Apply what was kept for messages that turn out to be our posts, in the lane of the receipt that says so."""
        for key, record in named.items():
            known = self._overlay.message(key)
            decisions = [] if known is None else changes.catch_up(known, self._overlay.early(key), self._overlay)
            for decision in decisions:
                if not isinstance(decision, React) or decision.early is None:
                    continue  # only reactions change a post of ours
                early = decision.early
                partition, offset = kept_from.get(early.event.record_id, (record.partition, 0))
                origin = Origin(partition, offset, self._policy.version, early.traceparent)
                self._send(early.event, [decision], origin, lane_of(record.topic, record.partition))
            self._overlay.caught_up(key)

    def decide_all(self, events: Sequence[tuple[Record, ChatEvent]]) -> None:
        """Decide the events in order, each under its own trace."""
        traces = (record.envelope.traceparent for record, _ in events if record.envelope is not None)
        with start_batch_span("router.decide_batch", traces) as span:
            for record, event in events:
                self._decide(record, event, span)

    def _decide(self, record: Record, event: ChatEvent, batch: Span) -> None:
        traceparent = None if record.envelope is None else record.envelope.traceparent
        platform = event.channel.platform
        decisions = decide_once(event, self._overlay, self._policy)
        if decisions is None:
            self._count(platform, "duplicate")
            return
        rule = rule_of(decisions)
        self._count(platform, rule)
        if traceparent is not None and (not batch.recording or is_unsampled(traceparent)):  # nothing to record
            self._act(record, event, decisions, traceparent)
            return
        attributes: dict[str, Attribute | None] = {
            EVENT_ID: event.record_id,
            PLATFORM: platform,
            RULE: rule,
            POLICY_VERSION: self._policy.version,
            TICKET_ID: _ticket_of(decisions),
        }
        with start_message_span("decide", traceparent, batch=batch, attributes=attributes) as span:
            self._act(record, event, decisions, span.traceparent)

    def _act(self, record: Record, event: ChatEvent, decisions: Sequence[Decision], traceparent: str) -> None:
        """The decisions change the view, are recorded, and become records to publish."""
        self._overlay.apply(event, decisions, traceparent)
        origin = Origin(record.partition, record.offset, self._policy.version, traceparent)
        made = record_of(event, decisions, origin)
        self.decided[made.event_id] = made
        self._send(event, decisions, origin, lane_of(record.topic, record.partition))

    def _send(self, event: ChatEvent, decisions: Sequence[Decision], origin: Origin, lane: int) -> None:
        if not self._publish:
            return
        for one in outgoing(event, decisions, origin):
            self.rows.append(
                outbox.row(one.model, source=SOURCE, time=one.time, traceparent=one.traceparent, lane=lane)
            )
            if isinstance(one.model, RecordAutomaticAnswer):
                self._answers[event.channel.platform, one.model.decided.rule] += 1

    def _count(self, platform: str, rule: str) -> None:
        self._rules[platform, rule] += 1

    def count(self) -> None:
        """Tell the metrics, once everything is written."""
        for (platform, rule), number in self._rules.items():
            metrics.router_decisions.labels(platform, rule).inc(number)
            if not self._publish:
                metrics.router_observed.labels(rule).inc(number)
        for (platform, rule), number in self._answers.items():
            metrics.router_answers.labels(platform, rule).inc(number)


def _of_type(records: Sequence[Record], model: type[M]) -> list[tuple[Record, M]]:
    """The records that have such data, with the data."""
    return [
        (record, record.envelope.data)
        for record in records
        if record.envelope is not None and isinstance(record.envelope.data, model)
    ]


def _held(
    events: Sequence[tuple[Record, ChatEvent]],
    receipts: Sequence[tuple[Record, DeliveryChanged]],
    aliases: Aliases,
) -> Iterator[str]:
    """Messages by the platform's own id, which they keep when their channel's key changes."""
    for _, event in events:
        match event:
            case ReactionChanged():
                yield message_id_of(event.message_key)
            case MessagePosted() | MessageEdited() | MessageDeleted() if len(aliases.messages(event.message_key)) > 1:
                yield message_id_of(event.message_key)
    for _, receipt in receipts:
        yield from map(message_id_of, receipt.message_keys)


def _ticket_of(decisions: Sequence[Decision]) -> str | None:
    return next((one.ticket_id for one in decisions if isinstance(one, (PlacePost, Close, Answer))), None)
