"""Brings the router forward from Kafka after its database was set back, without deciding anything a second time.

What a former router decided is on `ticket.commands`, each command with the offset that it was decided from. Events up
to the last of these, and up to what the group has committed (which it does after publishing), are decided: their view
changes and decision records are made from the commands. Events behind are left to the router. What others said (staff,
policy, tickets, receipts) is read to its end as ever; repeating that changes nothing.

Each partition of `chat.events` is one transaction, each batch of the others another: killed in between, what is done
stays, and the rest is done by the next run.
"""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka import TopicPartition

from chassis import parking, restoring
from chassis.database import Connection
from chassis.dead_letters import DeadLetter
from chassis.records import Raw, Record, decode_all, is_compacted
from chassis.restoring import LogReader, Place, Recovery, Tell
from contracts.chat_events_v1 import ChannelMoved, ChatEvent, MessagePosted
from contracts.codec import ContractError, decode
from contracts.ticket_commands_v1 import PlaceMessage, TicketCommand
from services.router.commands import Origin
from services.router.decide.table import decide_once
from services.router.records import record_of
from services.router.taken import of_no_effect, taken
from services.router.view.load import load
from services.router.view.overlay import Overlay
from services.router.view.reference import ReferenceCache
from services.router.view.store import DecisionRecord, store
from services.router.worker import CONSUMER, EVENTS, POLICY, RECEIPTS, STAFF, TOPICS, Worker

SCHEMA = "router"
COMMANDS = "ticket.commands.v1"
FIRST = (STAFF, POLICY, "chat.profiles.v1")
LAST = ("ticket.events.v1", RECEIPTS)
"""Behind the events: a receipt finds the reactions that wait for it."""
NOT_CARRIED = (
    "in no topic: what a decision was based on; of decisions without commands, by which rule they were made",
    "in no topic: conversations observed in observe mode",
)

CommandsByOffset = dict[int, list[Raw]]


async def restore(dsn: str, log: LogReader, tell: Tell) -> Recovery:
    """Raises RestoreRefused, and errors of Kafka and PostgreSQL."""
    logs = await log.logs(TOPICS, group=CONSUMER)
    recovery = Recovery()
    async with restoring.session(dsn, SCHEMA) as connection:
        async with connection.transaction():
            found = await restoring.places(connection, SCHEMA, CONSUMER, logs)
        await _read_on(connection, log, found, FIRST, tell)
        known = ReferenceCache()
        aside = await restoring.letters_since(
            log, CONSUMER, {tp: one for tp, one in found.items() if tp.topic == EVENTS}
        )
        events = decided = 0
        for tp in await _in_order(log, {tp: place for tp, place in found.items() if tp.topic == EVENTS}):
            one, other = await _take_decisions(connection, log, tp, found[tp], aside[tp], known, tell)
            events, decided = events + one, decided + other
        read = await _read_on(connection, log, found, LAST, tell)
        held = await restoring.held_up(connection, CONSUMER)
    left = sum(place.log.end - place.begin for tp, place in found.items() if tp.topic == EVENTS) - events
    recovery.recovered += [
        f"{events} chat events are decided, {decided} of them by commands; {left} follow",
        f"{read} records about tickets and deliveries",
        *held,
    ]
    recovery.lost += [*restoring.expired(CONSUMER, found), *NOT_CARRIED]
    return recovery


# --- what others said --------------------------------------------------------------------------------------------


async def _read_on(
    connection: Connection, log: LogReader, found: Mapping[TopicPartition, Place], topics: Sequence[str], tell: Tell
) -> int:
    """As the router does it, to the log's end. Reactions that waited for a receipt go into the outbox again."""
    worker = Worker(publish=True)
    places = {tp: place for tp, place in found.items() if tp.topic in topics}
    read = 0
    async for raws in log.read({tp: (place.begin, place.log.end) for tp, place in places.items()}):
        tp = TopicPartition(raws[0].topic, raws[0].partition)
        async with connection.transaction():
            await parking.release_told(connection, CONSUMER, raws)
            await worker.handle(_records(tp, raws), connection)
            await restoring.settle(connection, CONSUMER, {tp: places[tp]}, {tp: raws[-1].offset + 1})
        read += len(raws)
        tell(f"router: {read} records of {', '.join(topics)} read")
    async with connection.transaction():
        await restoring.settle(connection, CONSUMER, places, {tp: place.log.end for tp, place in places.items()})
    return read


def _records(tp: TopicPartition, raws: Sequence[Raw]) -> list[Record]:
    """What can't be decoded was dead-lettered when it was first read."""
    records, _ = decode_all({tp: list(raws)}, decode, is_compacted)
    return records


# --- chat.events -------------------------------------------------------------------------------------------------


async def _in_order(log: LogReader, places: Mapping[TopicPartition, Place]) -> list[TopicPartition]:
    """Where channels moved away from, first: what is said under their new keys belongs to conversations from there."""
    sources = set()
    async for raws in log.read({tp: (place.begin, place.log.end) for tp, place in places.items()}):
        if any(("ce_type", ChannelMoved.TYPE.encode()) in raw.headers for raw in raws):
            sources.add(raws[0].partition)
    return sorted(places, key=lambda tp: (tp.partition not in sources, tp.partition))


async def _take_decisions(
    connection: Connection,
    log: LogReader,
    tp: TopicPartition,
    place: Place,
    aside: Mapping[int, DeadLetter],
    known: ReferenceCache,
    tell: Tell,
) -> tuple[int, int]:
    """How many events of one partition are decided, and how many of these by commands. Those put aside aren't."""
    if place.begin >= place.log.end:
        async with connection.transaction():
            await restoring.settle(connection, CONSUMER, {tp: place})
        return 0, 0
    commands = await _commands_from(log, tp, place.begin)
    bound = min(max(place.committed, max(commands, default=-1) + 1), place.log.end)
    events = decided = 0
    async with connection.transaction():
        await parking.put_back(connection, CONSUMER, [one for offset, one in aside.items() if offset < bound])
        async for raws in log.read({tp: (place.begin, bound)}):
            await parking.release_told(connection, CONSUMER, raws)
            records = [one for one in _records(tp, raws) if one.offset not in aside]
            decided += await _take(connection, records, commands, known)
            events += len(raws)
            tell(f"router: partition {tp.partition} of {EVENTS}: {events} of {bound - place.begin} events")
        await restoring.settle(connection, CONSUMER, {tp: place}, {tp: bound})
    return events, decided


async def _commands_from(log: LogReader, tp: TopicPartition, begin: int) -> CommandsByOffset:
    """What was decided from this partition's events at `begin` and behind: events and commands share their key."""
    own = TopicPartition(COMMANDS, tp.partition)
    logs = await log.logs([COMMANDS])
    found: CommandsByOffset = {}
    seen: set[str] = set()
    async for raws in log.read({own: (logs[own].start, logs[own].end)}):
        for raw in raws:
            command = _command(raw)
            if command is None or command.decided.partition != tp.partition or command.decided.offset < begin:
                continue
            if command.command_id not in seen:  # the relay may have repeated it
                seen.add(command.command_id)
                found.setdefault(command.decided.offset, []).append(raw)
    return found


def _command(raw: Raw) -> TicketCommand | None:
    try:
        data = decode(raw.topic, raw.headers, raw.value).data
    except ContractError:
        return None
    return data if isinstance(data, TicketCommand) else None


async def _take(
    connection: Connection, records: Sequence[Record], commands: CommandsByOffset, known: ReferenceCache
) -> int:
    """One batch of decided events, in order: the view as it was after them. How many had commands."""
    events = [
        (record, record.envelope.data)
        for record in records
        if record.envelope is not None and isinstance(record.envelope.data, ChatEvent)
    ]
    asked = [event for _, event in events]
    own = {record.offset: _of(record, event, commands.get(record.offset, ())) for record, event in events}
    places = {one.place.key for given in own.values() for one in given if isinstance(one, PlaceMessage)}
    reference = await known.fresh(connection)
    overlay = Overlay(reference.staff, reference.aliases)
    while (numbers := await load(connection, overlay, asked, places=places)) != reference.numbers:
        reference = await known.read(connection, numbers)
        overlay = Overlay(reference.staff, reference.aliases)
    made: dict[str, DecisionRecord] = {}
    decided = 0
    for record, event in events:
        traceparent = None if record.envelope is None else record.envelope.traceparent
        given = own[record.offset]
        decisions = taken(event, given, overlay) if given else None
        version = given[0].decided.policy_version if given else reference.policy.version
        if not decisions:
            decisions = decide_once(event, overlay, reference.policy)
            if decisions is None:
                continue  # another arrival of what was decided
            decisions = of_no_effect(decisions)
        decided += bool(given)
        overlay.apply(event, decisions, traceparent)
        made[event.record_id] = record_of(event, decisions, Origin(record.partition, record.offset, version, None))
    await store(connection, overlay.changed, list(made.values()))
    return decided


def _of(record: Record, event: ChatEvent, raws: Iterable[Raw]) -> list[TicketCommand]:
    """The commands that came of the event; changes that waited for a post or a move have ids of their own.

    A version that made an event's id of less called it as its record does.
    """
    names = {event.record_id, None if record.envelope is None else record.envelope.id}
    commands = [command for raw in raws if (command := _command(raw)) is not None]
    placed = any(command.event_id in names for command in commands)
    return [
        one for one in commands if one.event_id in names or (placed and isinstance(event, MessagePosted | ChannelMoved))
    ]
