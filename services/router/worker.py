"""Handles a batch: what others say first, then the chat events in order, then everything written at once.

Invariants: an event is decided once, however often it arrives; view, decision records and commands commit together;
the order of a partition's events is the order of their commands in its outbox lane.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from chassis import metrics, outbox
from chassis.database import Connection
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
    start_batch_span,
    start_message_span,
)
from contracts.chat_events_v1 import ChatEvent
from contracts.ticket_commands_v1 import RecordAutomaticAnswer
from services.router.commands import Origin, outgoing
from services.router.decide import decide_once
from services.router.decide.decisions import Answer, Close, Decision, PlacePost
from services.router.policy import ReadyPolicy
from services.router.records import record_of
from services.router.view import reference, tickets
from services.router.view.load import load
from services.router.view.overlay import Overlay, rule_of
from services.router.view.reference import ReferenceCache
from services.router.view.store import DecisionRecord, store

CONSUMER = "router"
SOURCE = "okno/router"
EVENTS = "chat.events.v1"
STAFF = "desk.staff.v1"
POLICY = "desk.policy.v1"

_SAID_BY_OTHERS: dict[str, Callable[[Connection, Sequence[Record]], Awaitable[None]]] = {
    STAFF: reference.store_staff,
    POLICY: reference.store_policy,
    "chat.profiles.v1": reference.store_names,
    "ticket.events.v1": tickets.store_tickets,
    "chat.receipts.v1": tickets.store_receipts,
}
TOPICS: tuple[str, ...] = (EVENTS, *_SAID_BY_OTHERS)


class Worker:
    """`publish` false is observe mode: decisions are made and recorded, nothing is sent."""

    def __init__(self, *, publish: bool, wrote: Callable[[int], None] = lambda _lane: None) -> None:
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
        if events := by_topic.get(EVENTS):
            try:
                await self._decide(connection, events)
            finally:
                if by_topic.keys() & {STAFF, POLICY}:
                    self._reference.forget()

    async def _decide(self, connection: Connection, records: Sequence[Record]) -> None:
        known = await self._reference.read(connection)
        overlay = Overlay(known.staff, known.aliases)
        events = [(record, event) for record in records if (event := _event_of(record)) is not None]
        await load(connection, overlay, [event for _, event in events])
        batch = Batch(overlay, known.policy, publish=self._publish)
        batch.decide_all(events)
        await store(connection, overlay.changed, list(batch.decided.values()))
        if overlay.changed.moved:
            self._reference.forget()
        await outbox.add(connection, batch.rows)
        for lane in {row.lane for row in batch.rows}:
            self._wrote(lane)
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
        if traceparent is not None and not batch.recording:  # no message of the batch is sampled: nothing to record
            self._act(record, event, decisions, traceparent)
            return
        attributes: dict[str, Attribute | None] = {
            EVENT_ID: event.record_id,
            PLATFORM: platform.value,
            RULE: rule,
            POLICY_VERSION: self._policy.version,
            TICKET_ID: _ticket_of(decisions),
        }
        with start_message_span("decide", traceparent, batch=batch, attributes=attributes) as span:
            self._act(record, event, decisions, span.traceparent)

    def _act(self, record: Record, event: ChatEvent, decisions: Sequence[Decision], traceparent: str) -> None:
        """The decisions change the view, are recorded, and become records to publish."""
        self._overlay.apply(event, decisions, traceparent)
        lane = record.partition
        origin = Origin(lane, record.offset, self._policy.version, traceparent)
        made = record_of(event, decisions, origin)
        self.decided[made.event_id] = made
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


def _event_of(record: Record) -> ChatEvent | None:
    data = None if record.envelope is None else record.envelope.data
    return data if isinstance(data, ChatEvent) else None


def _ticket_of(decisions: Sequence[Decision]) -> str | None:
    return next((one.ticket_id for one in decisions if isinstance(one, (PlacePost, Close, Answer))), None)
