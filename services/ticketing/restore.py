"""Brings ticketing forward from Kafka after its database was set back, in one transaction.

`ticket.events` carry each ticket's state after each change, changes by the API included: they are folded to the log's
end, versions that are stored already left out; where the database has one with another cause, the log wins
(store/forks.py), and so it does where both have given one number to two tickets (store/numbers.py). A command whose
event was folded has been applied; so had all before it on its partition, but for dead letters and messages that are in
no ticket. The worker goes on after the last of those; the ones behind it have left no trace, so it applies them.
Receipts, profiles and dead letters are read again from where the database stands: repeating them changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import TopicPartition

from chassis import compared, parking, restoring
from chassis.database import Connection
from chassis.dead_letters import DeadLetter
from chassis.outbox import unpack_headers
from chassis.records import Raw
from chassis.restoring import LogReader, Place, Recovery, Tell
from contracts.base import RecordModel
from contracts.codec import ContractError, Envelope, decode
from contracts.desk_policy_v1 import PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity
from contracts.ticket_commands_v1 import MoveChannel, PlaceMessage, RecordReaction, RemoveMessage, ReviseMessage
from contracts.ticket_events_v1 import TicketChanged
from services.ticketing.domain.book import Aliases, EarlyChange
from services.ticketing.domain.change import TicketChange
from services.ticketing.domain.deliveries import post_instruction
from services.ticketing.domain.folding import lacks_details, message_of, ticket_of
from services.ticketing.store import agents, folding, policies
from services.ticketing.store.folding import Folded
from services.ticketing.store.forks import forks_in, take_back
from services.ticketing.store.numbers import Logged, free_numbers, keep_numbers
from services.ticketing.store.rows import model_json
from services.ticketing.store.saving import ALIAS, KEEP_CHANGES, MOVED
from services.ticketing.worker import CONSUMER, DEAD_CONSUMER, DEAD_TOPICS, TOPICS_READ

SCHEMA = "ticketing"
EVENTS, COMMANDS, REPLIES = "ticket.events.v1", "ticket.commands.v1", "chat.replies.v1"
STAFF, POLICY = "desk.staff.v1", "desk.policy.v1"
NAMED = 20
"""So many are named of what is listed."""

NOT_CARRIED = (
    "in no topic: API tokens made since (make them again) and revoked since (valid again: revoke them again)",
    "in no topic: idempotency keys since; a client that repeats a request from before has its effect twice",
    "in no topic: agents made since without a chat identity; whether an agent was deactivated since",
    "in no topic: what was decided about dead letters since; they wait again (the records themselves are not lost)",
    "in no topic: changes that were committed and not yet published (unpublished outbox rows)",
)
"""What can't be recovered however whole the log is."""

_APPLIED = "SELECT command_id FROM commands WHERE command_id = ANY($1::text[]) AND outcome = 'restored'"
_KNOWN = "SELECT command_id FROM commands WHERE command_id = ANY($1::text[])"
_ALIASES = "SELECT old_channel_key, channel_key FROM channel_aliases"
_STORED = """
SELECT id FROM messages WHERE id = ANY($1::text[])
UNION ALL SELECT message_key FROM posted_keys WHERE message_key = ANY($1::text[])"""
_EARLY = """
INSERT INTO commands (command_id, outcome, applied_at) SELECT id, 'early', now() FROM unnest($1::text[]) AS r(id)
ON CONFLICT DO NOTHING"""
_UNANSWERED = "SELECT id FROM messages WHERE kind = 'reply' AND delivery_state = 'queued' AND delivery_version = 0"
_NUMBERS_OF = """
SELECT DISTINCT t.number FROM messages m JOIN tickets t ON t.id = m.ticket_id WHERE m.id = ANY($1::text[]) ORDER BY 1"""


@dataclass(slots=True)
class _Told:
    """What folding `ticket.events` came to."""

    events: int = 0
    messages: set[str] = field(default_factory=set)
    tickets: set[int] = field(default_factory=set)
    holes: set[int] = field(default_factory=set)
    """Numbers of tickets of which the log lacks versions."""
    dropped: list[str] = field(default_factory=list)
    """Changes of this database that the log has otherwise."""
    logged: dict[str, Logged] = field(default_factory=dict)
    """What the log says first of each ticket."""
    read: dict[str, int] = field(default_factory=dict)
    """The latest version of each ticket that was read: what isn't newer is a repetition."""
    bare: int = 0
    unreadable: int = 0


async def restore(dsn: str, log: LogReader, tell: Tell) -> Recovery:
    """Raises RestoreRefused, and errors of Kafka and PostgreSQL; then nothing was changed."""
    recovery = Recovery()
    async with restoring.transaction(dsn, SCHEMA) as connection:
        reads = await log.logs(TOPICS_READ, group=CONSUMER)
        found = await restoring.places(connection, SCHEMA, CONSUMER, reads)
        letters = await restoring.places(
            connection, SCHEMA, DEAD_CONSUMER, await log.logs(DEAD_TOPICS, group=DEAD_CONSUMER)
        )
        definition = await folding.free_places(connection)
        await free_numbers(connection)
        told = await _fold_events(connection, log, tell)
        await folding.tidy(connection)
        renumbered = await keep_numbers(connection, told.logged)
        crowded = await folding.keep_places(connection, definition)
        await _fold_desk(connection, log, recovery)
        bounds = await _skip_commands(connection, log, found, recovery, tell)
        unsent = await _unsent(connection, log)
        await restoring.settle(connection, CONSUMER, found, bounds)
        await restoring.settle(connection, DEAD_CONSUMER, letters)
        await compared.mark(connection, await compared.this_database(connection))
    recovery.recovered.insert(
        0, f"{told.events} changes of {len(told.tickets)} tickets, {len(told.messages)} messages in them"
    )
    recovery.lost += [
        *restoring.expired(CONSUMER, found),
        *restoring.expired(DEAD_CONSUMER, letters),
        *_listed("tickets of which the log lacks changes (past retention; their latest state is there)", told.holes),
        *_listed("tickets that go on without their place, since a later one is active in it", crowded),
        *_listed("tickets with replies that were never handed to the notifier (write those again)", unsent),
    ]
    if renumbered:
        named = [f"{old} is now {new} ({ticket})" for ticket, (old, new) in sorted(renumbered.items())]
        recovery.lost.append(
            f"{len(named)} numbers of tickets that this database gave out after it was set back, and the log to others:"
        )
        recovery.lost += named
    if told.dropped:
        recovery.lost.append(
            f"{len(told.dropped)} changes that were written to this database after it was set back, from a version on "
            "that the log has otherwise. The log wins; messages in them stay, replies among them are sent:"
        )
        recovery.lost += told.dropped
    if told.bare:
        recovery.lost.append(f"{told.bare} changes by an older version: no attachments, mentions, agents of messages")
    if told.unreadable:
        recovery.lost.append(f"{told.unreadable} records of {EVENTS} that are no ticket event")
    recovery.lost += NOT_CARRIED
    return recovery


async def _fold_events(connection: Connection, log: LogReader, tell: Tell) -> _Told:
    told = _Told()
    logs = await log.logs([EVENTS])
    whole, done = sum(one.end - one.start for one in logs.values()), 0
    async for records in log.read({tp: (one.start, one.end) for tp, one in logs.items()}):
        folded = await _newer(connection, records, told)
        if folded:
            await folding.fold(connection, folded)
        done += len(records)
        tell(f"ticketing: {done} of {whole} ticket events read, {told.events} folded")
    return told


async def _newer(connection: Connection, records: Sequence[Raw], told: _Told) -> list[Folded]:
    """Events that are newer than what is stored, or other than it. Only those are decoded: their ids tell ticket and
    version.
    """
    named = []
    for record in records:
        ticket_id, version = _name_of(record)
        if not ticket_id or version > told.read.get(ticket_id, 0):
            told.read[ticket_id] = version
            named.append((record, ticket_id, version))
    seen = await folding.versions_of(connection, [ticket for _, ticket, _ in named])
    forks = await forks_in(connection, [one for one in named if one[2] <= seen.get(one[1], 0)], told.logged)
    if forks:
        told.dropped += await take_back(connection, forks, EVENTS)
        seen |= {ticket: fork.version - 1 for ticket, fork in forks.items()}
    folded = []
    for record, ticket_id, version in named:
        if version <= seen.get(ticket_id, 0):
            continue
        envelope = _decoded(record)
        if envelope is None or not isinstance(envelope.data, TicketChanged):
            told.unreadable += 1
            continue
        event = envelope.data
        if event.version > seen.get(ticket_id, 0) + 1:
            told.holes.add(event.ticket.number)
        seen[ticket_id] = event.version
        told.logged.setdefault(ticket_id, Logged(event.ticket.number, event.ticket.created_at))
        told.events += 1
        told.tickets.add(event.ticket.number)
        told.bare += lacks_details(event)
        message = message_of(event, envelope.traceparent)
        if message is not None:
            told.messages.add(message.id)
        ticket = ticket_of(event, envelope.traceparent)
        folded.append(Folded(ticket, TicketChange(ticket, event, message, envelope.traceparent)))
    return folded


def _name_of(record: Raw) -> tuple[str, int]:
    """Ticket and version of an event by its id. What has none is taken for new, and found unreadable."""
    ticket_id, _, version = _id_of(record).rpartition(":")
    return ticket_id, int(version) if version.isdecimal() else 1


def _id_of(record: Raw) -> str:
    return next((value or b"" for name, value in record.headers if name == "ce_id"), b"").decode(errors="replace")


def _decoded(record: Raw) -> Envelope[RecordModel] | None:
    try:
        return decode(record.topic, record.headers, record.value)
    except ContractError:
        return None


# --- agents and policy ------------------------------------------------------------------------------------------------


async def _fold_desk(connection: Connection, log: LogReader, recovery: Recovery) -> None:
    logs = await log.logs([STAFF, POLICY])
    people = rules = 0
    read: dict[str, int] = {}
    dropped: list[str] = []
    async for records in log.read({tp: (one.start, one.end) for tp, one in logs.items()}):
        for envelope in filter(None, map(_decoded, records)):
            said = envelope.data
            if not isinstance(said, StaffIdentity | PolicyPublished) or said.version <= read.get(said.record_key, 0):
                continue  # routers take the first that the log has of a version
            read[said.record_key] = said.version
            if isinstance(said, StaffIdentity):
                gave_way = await agents.restore_identity(connection, said)
                people += gave_way is not None
            else:
                gave_way = await policies.restore_policy(connection, said)
                rules += gave_way is not None
            dropped += gave_way or []
    await agents.drop_outdated(connection)
    await policies.drop_outdated(connection)
    if dropped:
        recovery.lost.append(
            f"{len(dropped)} changes of the desk or the policy that were written to this database after it was set "
            "back, in versions that the log has otherwise. The log wins:"
        )
        recovery.lost += dropped
    recovery.recovered.append(f"{people} changes of chat identities of the desk, {rules} versions of the policy")


# --- commands ---------------------------------------------------------------------------------------------------------


async def _skip_commands(
    connection: Connection, log: LogReader, found: Mapping[TopicPartition, Place], recovery: Recovery, tell: Tell
) -> dict[TopicPartition, int]:
    """Where the worker goes on with commands, by partition."""
    places = {tp: place for tp, place in found.items() if tp.topic == COMMANDS}
    bounds = {tp: place.begin for tp, place in places.items()}
    async for records in log.read({tp: (place.begin, place.log.end) for tp, place in places.items()}):
        rows = await connection.fetch(_APPLIED, [_id_of(one) for one in records])
        applied = {row["command_id"] for row in rows}
        for record in records:
            if _id_of(record) in applied:
                bounds[TopicPartition(record.topic, record.partition)] = record.offset + 1
    aside = await restoring.letters_since(log, CONSUMER, places)
    unplaced: dict[TopicPartition, int] = {}
    async for records in log.read({tp: (place.begin, bounds[tp]) for tp, place in places.items()}):
        for record in await _unplaced(connection, _not_put_aside(records, aside)):
            unplaced.setdefault(TopicPartition(record.topic, record.partition), record.offset)
    bounds |= unplaced
    skipped = early = 0
    for tp, letters in aside.items():
        await parking.put_back(connection, CONSUMER, [one for at, one in letters.items() if at < bounds[tp]])
    async for records in log.read({tp: (place.begin, bounds[tp]) for tp, place in places.items()}):
        await parking.release_told(connection, CONSUMER, records)
        early += await _keep_what_left_no_event(connection, _not_put_aside(records, aside))
        skipped += len(records)
        tell(f"ticketing: {skipped} commands known by their events")
    left = sum(place.log.end - bounds[tp] for tp, place in places.items())
    recovery.recovered.append(f"{skipped} commands are applied, {early} of them wait for their message; {left} follow")
    recovery.recovered += await restoring.held_up(connection, CONSUMER)
    return bounds


def _not_put_aside(records: Sequence[Raw], aside: Mapping[TopicPartition, Mapping[int, DeadLetter]]) -> list[Raw]:
    """Without the records of dead letters: they had no effect, and whoever discarded one wants none."""
    return [one for one in records if one.offset not in aside[TopicPartition(one.topic, one.partition)]]


async def _unplaced(connection: Connection, records: Sequence[Raw]) -> list[Raw]:
    """Records of messages that open a ticket where none is, and yet are in none.

    Their event was lost, or another of that version took its place: the worker goes on no later than there. What
    follows and was applied is known by its id.
    """
    opening = {
        envelope.data.message.message_key: record
        for record in records
        if (envelope := _decoded(record)) is not None
        and isinstance(envelope.data, PlaceMessage)
        and envelope.data.open is not None
        and not envelope.data.message.context
    }
    stored = {row["id"] for row in await connection.fetch(_STORED, list(opening))}
    return [record for key, record in opening.items() if key not in stored]


async def _keep_what_left_no_event(connection: Connection, records: Sequence[Raw]) -> int:
    """Moves of channels, and changes whose message isn't there. What else left no event had no effect."""
    rows = await connection.fetch(_KNOWN, [_id_of(one) for one in records])
    known = {row["command_id"] for row in rows}
    changes = []
    for envelope in filter(None, map(_decoded, records)):
        match envelope.data:
            case MoveChannel() as move if move.channel_key != move.channel.key:
                await connection.execute(MOVED, move.channel_key, move.channel.key)
                await connection.execute(ALIAS, move.channel_key, move.channel.key, move.received_at)
            case ReviseMessage() | RemoveMessage() | RecordReaction() as command if command.command_id not in known:
                known.add(command.command_id)
                changes.append(EarlyChange(command, envelope.traceparent))
            case _:
                pass
    if not changes:
        return 0
    aliases = Aliases([(row[0], row[1]) for row in await connection.fetch(_ALIASES)])
    keys = {key for one in changes for key in aliases.message_keys(one.command.message_key)}
    stored = {row["id"] for row in await connection.fetch(_STORED, list(keys))}
    early = [one for one in changes if stored.isdisjoint(aliases.message_keys(one.command.message_key))]
    if early:
        ids = [one.command.command_id for one in early]
        await connection.execute(_EARLY, ids)
        await connection.execute(
            KEEP_CHANGES,
            ids,
            [one.command.message_key for one in early],
            [one.command.TYPE for one in early],
            [model_json(one.command) for one in early],
            [one.traceparent for one in early],
        )
    return len(early)


# --- replies ----------------------------------------------------------------------------------------------------------


async def _unsent(connection: Connection, log: LogReader) -> list[int]:
    """Tickets with replies of which neither an instruction nor a receipt was published."""
    waiting = {post_instruction(row["id"]): row["id"] for row in await connection.fetch(_UNANSWERED)}
    if waiting:
        published_later = await _in_outbox(connection)
        waiting = {key: reply for key, reply in waiting.items() if key not in published_later}
        logs = await log.logs([REPLIES])
        async for records in log.read({tp: (one.start, one.end) for tp, one in logs.items()}):
            for record in records:
                waiting.pop(_id_of(record), None)
    return [row["number"] for row in await connection.fetch(_NUMBERS_OF, list(waiting.values()))]


async def _in_outbox(connection: Connection) -> set[str]:
    """Ids of instructions that wait to be published, as they did when the backup was taken."""
    rows = await connection.fetch("SELECT headers FROM outbox WHERE topic = $1", REPLIES)
    return {
        (value or b"").decode() for row in rows for name, value in unpack_headers(row["headers"]) if name == "ce_id"
    }


def _listed(what: str, numbers: set[int] | list[int]) -> list[str]:
    if not numbers:
        return []
    named = ", ".join(map(str, sorted(numbers)[:NAMED]))
    return [f"{len(numbers)} {what}: {named}{' ...' if len(numbers) > NAMED else ''}"]
