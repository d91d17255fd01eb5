"""What could not be processed, from all topics: look, correct, replay once its cause is mended, or discard.

Of one consumer's letters with one key none is replayed before an earlier one, unless that is forced.
"""

from base64 import b64encode
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from chassis.database import Connection
from chassis.outbox import pack_headers, unpack_headers
from contracts.codec import ContractError, Encoded, encode
from contracts.topics import TOPICS
from services.ticketing.api.context import Admin, Caller, ServicesOf
from services.ticketing.api.cursors import decode
from services.ticketing.api.cursors import encode as cursor_of
from services.ticketing.api.models import (
    BulkDiscardBody,
    BulkReplayBody,
    DeadLetterDetailJson,
    DeadLetterJson,
    DeadLetterQuery,
    DeadLettersSettledJson,
    DiscardBody,
    EditBody,
    EditJson,
    Page,
    ReplayBody,
    SomeDeadLetters,
)
from services.ticketing.api.once import Answer, Idempotent, change, once
from services.ticketing.api.problems import Problem, not_found
from services.ticketing.store.dead_letters import (
    REPLAYABLE,
    Edit,
    Filter,
    ListedLetter,
    StoredLetter,
    add_edit,
    blocked_by,
    choose_to_discard,
    choose_to_replay,
    count_dead_letters,
    edits_of,
    find_dead_letter,
    list_dead_letters,
    publish,
    release,
    settle,
)
from services.ticketing.store.saving import SOURCE

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
DEPTH = 60
"""JSON nested deeper is shown as text only."""


@router.get("", summary="List dead letters")
async def get_dead_letters(
    query: Annotated[DeadLetterQuery, Query()], services: ServicesOf, caller: Admin
) -> Page[DeadLetterJson]:
    """The latest first. All given filters must hold."""
    del caller
    after = decode(query.cursor, "dead-letters", (int,))
    before = after[0] if after else 2**62
    async with services.database.connection() as connection:
        found = await list_dead_letters(connection, _filter(query, query.state), before, query.limit + 1)
    letters = found[: query.limit]
    cursor = cursor_of("dead-letters", [letters[-1].id]) if len(found) > query.limit else None
    return Page(items=[DeadLetterJson(**_fields(one)) for one in letters], next_cursor=cursor)


@router.post(
    "/replay", response_model=DeadLettersSettledJson, dependencies=[Idempotent], summary="Publish all that match again"
)
async def replay_some(body: BulkReplayBody, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """Waiting letters only, the oldest first, at most `limit`; those of one key in their order. Left waiting: what
    can't be replayed, what is too old, and what comes after a letter of its key that stays.
    """
    chosen = _filter(body, "waiting")

    async def work(connection: Connection) -> Answer:
        now = services.clock.now()
        letters = await choose_to_replay(connection, chosen, body.limit, now, force=body.force)
        await publish(connection, letters, force=body.force)
        await settle(connection, letters, "replayed", None, now, caller.name)
        return Answer(200, await _settled(connection, letters, chosen))

    return await once(request, caller, work)


@router.post(
    "/discard", response_model=DeadLettersSettledJson, dependencies=[Idempotent], summary="Put all that match aside"
)
async def discard_some(body: BulkDiscardBody, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """Waiting letters only, the oldest first, at most `limit`, each with the reason."""
    chosen = _filter(body, "waiting")

    async def work(connection: Connection) -> Answer:
        letters = await choose_to_discard(connection, chosen, body.limit)
        await release(connection, letters)
        await settle(connection, letters, "discarded", body.reason, services.clock.now(), caller.name)
        return Answer(200, await _settled(connection, letters, chosen))

    return await once(request, caller, work)


@router.get("/{dead_letter}", summary="One dead letter, with its content")
async def get_dead_letter(dead_letter: str, services: ServicesOf, caller: Admin) -> DeadLetterDetailJson:
    """The record as it was, why it is here, and its corrections."""
    del caller
    async with services.database.transaction() as connection:
        letter = await _find(connection, dead_letter)
        return _detail(letter, await edits_of(connection, letter.id))


@router.put("/{dead_letter}/value", response_model=DeadLetterDetailJson, summary="Correct it before it is replayed")
async def edit(dead_letter: str, body: EditBody, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """The corrected record, checked against its topic's contract. The original is kept, and so is every correction with
    its author; the last one is what a replay publishes. Its key can't change: the order of records is by key.
    """

    async def work(connection: Connection) -> Answer:
        letter = await _waiting(connection, dead_letter)
        encoded = _checked(letter, body)
        headers = pack_headers(encoded.headers)
        await add_edit(
            connection, letter.id, Edit(encoded.key, encoded.value, headers, services.clock.now(), caller.name)
        )
        return Answer(200, _detail(letter, await edits_of(connection, letter.id)))

    return await change(request, work)


@router.post(
    "/{dead_letter}/replay", response_model=DeadLetterJson, dependencies=[Idempotent], summary="Publish it again"
)
async def replay(
    dead_letter: str, request: Request, services: ServicesOf, caller: Admin, body: ReplayBody | None = None
) -> Response:
    """The record, as last corrected, goes to the end of its topic. If it fails again it comes back as a new dead
    letter, which keeps its place among those of its key.
    """
    given = body or ReplayBody()

    async def work(connection: Connection) -> Answer:
        letter = await _waiting(connection, dead_letter)
        corrected = not given.original and bool(await edits_of(connection, letter.id))
        if letter.truncated and not corrected:
            detail = "The record was too large to be kept whole. Correct it, or discard it with a reason."
            raise Problem(409, "truncated", detail)
        if letter.raw and not corrected:
            detail = "It is a webhook's raw body, no record. Correct it to one, or discard it with a reason."
            raise Problem(409, "not-a-record", detail)
        if not given.force:
            await _refuse_out_of_turn(connection, letter, services)
        await publish(connection, [letter.id], originals=given.original, force=given.force)
        return await _settle(connection, letter, "replayed", None, services, caller)

    return await once(request, caller, work)


@router.post(
    "/{dead_letter}/discard", response_model=DeadLetterJson, dependencies=[Idempotent], summary="Put it aside for good"
)
async def discard(
    dead_letter: str, body: DiscardBody, request: Request, services: ServicesOf, caller: Admin
) -> Response:
    """The reason stays in its record."""

    async def work(connection: Connection) -> Answer:
        letter = await _waiting(connection, dead_letter)
        await release(connection, [letter.id])
        return await _settle(connection, letter, "discarded", body.reason, services, caller)

    return await once(request, caller, work)


async def _find(connection: Connection, reference: str, *, lock: bool = False) -> StoredLetter:
    known = reference.isascii() and reference.isdigit() and len(reference) <= 18
    letter = await find_dead_letter(connection, int(reference), lock=lock) if known else None
    if letter is None:
        raise not_found("dead letter", reference)
    return letter


async def _waiting(connection: Connection, reference: str) -> StoredLetter:
    letter = await _find(connection, reference, lock=True)
    if letter.state != "waiting":
        at = letter.settled_at.isoformat() if letter.settled_at else "some time"
        raise Problem(409, "already-settled", f"It was {letter.state} by {letter.settled_by} at {at}.")
    return letter


async def _refuse_out_of_turn(connection: Connection, letter: StoredLetter, services: ServicesOf) -> None:
    if earlier := await blocked_by(connection, letter.id):
        detail = f"Earlier letters of its key wait: {', '.join(map(str, earlier))}. Settle them first, or force it."
        raise Problem(409, "earlier-waiting", detail, earlier=[str(one) for one in earlier])
    if letter.dead_at < services.clock.now() - REPLAYABLE:
        detail = f"It was put aside more than {REPLAYABLE.days} days ago: what it did already may be done again. "
        raise Problem(409, "too-old", f"{detail}Discard it, or force it.")


async def _settle(
    connection: Connection,
    letter: StoredLetter,
    state: str,
    reason: str | None,
    services: ServicesOf,
    caller: Caller,
) -> Answer:
    await settle(connection, [letter.id], state, reason, services.clock.now(), caller.name)
    return Answer(200, DeadLetterJson(**_fields(await _find(connection, str(letter.id)))))


async def _settled(connection: Connection, letters: list[int], chosen: Filter) -> DeadLettersSettledJson:
    left = await count_dead_letters(connection, chosen)
    return DeadLettersSettledJson(settled=len(letters), left=left)


def _filter(given: SomeDeadLetters, state: str | None) -> Filter:
    return Filter(state, given.topic, given.consumer, given.cause, given.key, given.since, given.until)


def _checked(letter: StoredLetter, body: EditBody) -> Encoded:
    """The corrected record as it will be published. Raises a 422 that says what is wrong with it."""
    headers = {name: value for name, value in unpack_headers(letter.headers) if value is not None}
    name = body.type or headers.get("ce_type", b"").decode(errors="replace")
    models = {model.TYPE: model for model in TOPICS[letter.topic].models} if letter.topic in TOPICS else {}
    if name not in models:
        known = ", ".join(sorted(models)) or "none that Okno knows"
        raise Problem(422, "not-its-contract", f"Give the record's type. {letter.topic} takes: {known}.")
    try:
        model = models[name].model_validate_json(orjson.dumps(body.value))
        traceparent = headers.get("traceparent", b"").decode("ascii", "replace") or None
        encoded = encode(model, source=SOURCE, time=letter.dead_at, traceparent=traceparent)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        errors = [
            {"field": ".".join(("body", "value", *map(str, fault["loc"]))), "message": fault["msg"]} for fault in faults
        ]
        detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors[:10])
        raise Problem(422, "not-its-contract", f"It isn't a {name}. {detail}", errors=errors[:50]) from error
    except TypeError as error:  # orjson: a lone surrogate, a number beyond 64 bits, too deep
        raise Problem(422, "not-its-contract", f"The value can't be written as JSON: {error}") from error
    except ContractError as error:
        raise Problem(422, "not-its-contract", str(error)) from error
    if letter.key is not None and not letter.raw and encoded.key != letter.key:
        was, now = letter.key.decode(errors="replace"), encoded.key.decode()
        raise Problem(422, "another-key", f"Its key would be {now!r} instead of {was!r}, and out of its order.")
    return encoded


def _fields(letter: ListedLetter) -> dict[str, Any]:
    return {
        "id": str(letter.id),
        "state": letter.state,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.record_offset,
        "consumer": letter.consumer,
        "cause": letter.cause,
        "error": letter.error,
        "attempts": letter.attempts,
        "at": letter.dead_at,
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "dead_topic": letter.dead_topic,
        "dead_partition": letter.dead_partition,
        "dead_offset": letter.dead_offset,
        "first_offset": letter.record_offset if letter.first_offset is None else letter.first_offset,
        "reason": letter.reason,
        "settled_at": letter.settled_at,
        "settled_by": letter.settled_by,
    }


def _detail(letter: StoredLetter, edits: list[Edit]) -> DeadLetterDetailJson:
    text = encoded = None
    if letter.value is not None:
        try:
            text = letter.value.decode()
        except UnicodeDecodeError:
            encoded = b64encode(letter.value).decode()
    headers = [
        [name, None if value is None else value.decode(errors="replace")]
        for name, value in unpack_headers(letter.headers)
    ]
    return DeadLetterDetailJson(
        **_fields(letter),
        headers=headers,
        content=_content(letter.value),
        value=text,
        value_base64=encoded,
        edits=[EditJson(value=orjson.loads(one.value), at=one.edited_at, by=one.edited_by) for one in edits],
    )


def _content(value: bytes | None) -> Any:
    """The value as JSON; None where it isn't any, or is nested too deep to be shown so."""
    try:
        found = orjson.loads(value or b"")
    except ValueError:
        return None
    return found if _is_flat(found, DEPTH) else None


def _is_flat(value: Any, depth: int) -> bool:
    match value:
        case dict():
            return depth > 0 and all(_is_flat(one, depth - 1) for one in value.values())
        case list():
            return depth > 0 and all(_is_flat(one, depth - 1) for one in value)
        case _:
            return True
