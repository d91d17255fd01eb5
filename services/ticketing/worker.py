"""Applies what arrives, a batch a transaction: commands and receipts in order, profiles, dead letters.

Everything that a batch concerns is read once and locked, the pure rules run in memory, and each row is written once.
Each message keeps its own trace: its span has the command's context as parent, and its events carry it on.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from chassis import metrics
from chassis.clock import Clock, SystemClock
from chassis.consumer import Record
from chassis.database import Connection
from chassis.dead_letters import parse
from chassis.faults import fault_point
from chassis.logs import get_logger
from chassis.telemetry import EVENT_ID, TICKET_ID, Span, exemplar, start_batch_span, start_message_span
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.chat_receipts_v1 import DeliveryChanged
from contracts.codec import Envelope
from contracts.keys import Platform, platform_of
from contracts.ticket_commands_v1 import PlaceMessage, TicketCommand
from contracts.topics import TOPICS, dead_topic
from services.ticketing.domain.apply import apply_command
from services.ticketing.domain.book import Book
from services.ticketing.domain.deliveries import apply_receipt
from services.ticketing.store.dead_letters import Room, store_dead_letters
from services.ticketing.store.loading import Needs, load_book
from services.ticketing.store.profiles import store_profiles
from services.ticketing.store.saving import save_book

CONSUMER = "ticketing"
TOPICS_READ = ("ticket.commands.v1", "chat.receipts.v1", "chat.profiles.v1")
DEAD_CONSUMER = "ticketing-dead-letters"
DEAD_TOPICS = tuple(dead_topic(name) for name in TOPICS)

log = get_logger("ticketing")


class Applier:
    """The handler of the worker's consumer. `committed` reports the measures of what the last batch did."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._placed: list[tuple[str, datetime, str | None]] = []
        metrics.from_zero(metrics.webhook_to_ticket, Platform)

    async def __call__(self, records: Sequence[Record], connection: Connection) -> None:
        self._placed.clear()
        envelopes = [record.envelope for record in records if record.envelope is not None]
        profiles = [one.data for one in envelopes if isinstance(one.data, PersonProfile | ChannelProfile)]
        if profiles:
            await store_profiles(connection, profiles, self._clock.now())
        work = [one for one in envelopes if isinstance(one.data, TicketCommand | DeliveryChanged)]
        if work:
            with start_batch_span("ticketing batch", (one.traceparent for one in work)) as batch:
                await self._apply(work, connection, batch)

    async def _apply(self, work: Sequence[Envelope], connection: Connection, batch: Span) -> None:  # type: ignore[type-arg]
        needs = Needs()
        for one in work:
            if isinstance(one.data, DeliveryChanged):
                needs.add_receipt(one.data)
            else:
                needs.add(one.data)
        book = await load_book(connection, needs)
        at = self._clock.now()
        for one in work:
            if isinstance(one.data, DeliveryChanged):
                self._receive(book, one, at, batch)
            else:
                self._command(book, one, at, batch)
        if any(isinstance(one.data, DeliveryChanged) for one in work):
            await fault_point("ticketing.receipts_applied")
        await save_book(connection, book, at)

    def _command(self, book: Book, one: Envelope[TicketCommand], at: datetime, batch: Span) -> None:
        command = one.data
        name = type(command).__name__
        with start_message_span(
            f"apply {name}",
            one.traceparent,
            batch=batch,
            tracestate=one.tracestate,
            attributes={EVENT_ID: command.event_id},
        ) as span:
            outcome, ticket_id = apply_command(book, command, at, span.traceparent)
            span.set(TICKET_ID, ticket_id)
            span.set("okno.outcome", outcome)
        metrics.commands.labels(name, outcome).inc()
        log.debug("command_applied", type=name, outcome=outcome, event_id=command.event_id, ticket_id=ticket_id)
        platform = platform_of(command.channel_key).value
        if outcome in {"opened", "reopened", "closed"}:
            metrics.tickets.labels(platform, outcome).inc()
        if isinstance(command, PlaceMessage) and outcome in {"opened", "reopened", "appended"}:
            self._placed.append((platform, command.received_at, one.traceparent))

    def _receive(self, book: Book, one: Envelope[DeliveryChanged], at: datetime, batch: Span) -> None:
        receipt = one.data
        attributes = {EVENT_ID: receipt.record_id, TICKET_ID: receipt.ticket_id}
        with start_message_span("apply receipt", one.traceparent, batch=batch, attributes=attributes) as span:
            outcome, _ = apply_receipt(book, receipt, at, span.traceparent)
            span.set("okno.outcome", outcome)
        metrics.receipts.labels(outcome).inc()

    def committed(self) -> None:
        """After the commit: the SLI from a message's webhook to its ticket."""
        now = self._clock.now()
        for platform, received_at, traceparent in self._placed:
            took = max(0.0, (now - received_at).total_seconds())
            metrics.webhook_to_ticket.labels(platform).observe(took, exemplar(traceparent))
        self._placed.clear()


class DeadLetterProjection:
    """Keeps every dead letter where the API lists, discards and replays them. Reads raw records: broken ones too."""

    def __init__(self, clock: Clock | None = None, room: Room | None = None) -> None:
        self._clock = clock or SystemClock()
        self._room = room or Room()

    async def __call__(self, records: Sequence[Record], connection: Connection) -> None:
        letters = [parse(one.topic, one.partition, one.offset, one.key, one.value, one.headers) for one in records]
        refused = await store_dead_letters(connection, letters, self._clock.now(), self._room)
        for topic, number in Counter(one.topic for one in refused).items():
            metrics.dead_letters_not_stored.labels(topic).inc(number)
            log.error("dead_letters_not_stored", topic=topic, letters=number, hint="okno dead-letters reload")
