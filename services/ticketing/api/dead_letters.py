"""What could not be processed, from all topics: look, replay once its cause is mended, or discard with a reason."""

from base64 import b64encode
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from chassis import outbox
from chassis.database import Connection
from chassis.outbox import unpack_headers
from services.ticketing.api.context import Admin, Caller, ServicesOf
from services.ticketing.api.cursors import decode, encode
from services.ticketing.api.models import DeadLetterDetailJson, DeadLetterJson, DiscardBody, Page, PageQuery
from services.ticketing.api.once import Answer, Idempotent, once
from services.ticketing.api.problems import Problem, not_found
from services.ticketing.store.dead_letters import (
    StoredLetter,
    find_dead_letter,
    list_dead_letters,
    settle_dead_letter,
)

router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])


class DeadLetterQuery(PageQuery):
    state: Literal["waiting", "replayed", "discarded"] | None = None
    topic: str | None = Field(None, description="The original record's topic.", examples=["ticket.commands.v1"])


@router.get("", summary="List dead letters")
async def get_dead_letters(
    query: Annotated[DeadLetterQuery, Query()], services: ServicesOf, caller: Admin
) -> Page[DeadLetterJson]:
    """The latest first."""
    del caller
    after = decode(query.cursor, "dead-letters", (int,))
    before = after[0] if after else 2**62
    async with services.database.pool.acquire() as connection:
        found = await list_dead_letters(connection, query.state, query.topic, before, query.limit + 1)
    letters = found[: query.limit]
    cursor = encode("dead-letters", [letters[-1].id]) if len(found) > query.limit else None
    return Page(items=[DeadLetterJson(**_fields(one)) for one in letters], next_cursor=cursor)


@router.get("/{dead_letter}", summary="One dead letter, with its content")
async def get_dead_letter(dead_letter: str, services: ServicesOf, caller: Admin) -> DeadLetterDetailJson:
    """The record as it was, and why it is here."""
    del caller
    async with services.database.pool.acquire() as connection:
        return _detail(await _find(connection, dead_letter))


@router.post(
    "/{dead_letter}/replay", response_model=DeadLetterJson, dependencies=[Idempotent], summary="Publish it again"
)
async def replay(dead_letter: str, request: Request, services: ServicesOf, caller: Admin) -> Response:
    """The original record goes to the end of its topic, with its key and headers. If it fails again it comes back as a
    new dead letter.
    """

    async def work(connection: Connection) -> Answer:
        letter = await _waiting(connection, dead_letter)
        if letter.truncated:
            detail = "The record was too large to be kept whole, so it can't be replayed. Discard it with a reason."
            raise Problem(409, "truncated", detail)
        await outbox.add(connection, [letter.original()])
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


async def _settle(
    connection: Connection,
    letter: StoredLetter,
    state: str,
    reason: str | None,
    services: ServicesOf,
    caller: Caller,
) -> Answer:
    at = services.clock.now()
    settled = await settle_dead_letter(connection, letter.id, state, reason, at, caller.name)
    return Answer(200, DeadLetterJson(**_fields(settled)))


def _fields(letter: StoredLetter) -> dict[str, Any]:
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
        "reason": letter.reason,
        "settled_at": letter.settled_at,
        "settled_by": letter.settled_by,
    }


def _detail(letter: StoredLetter) -> DeadLetterDetailJson:
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
    return DeadLetterDetailJson(**_fields(letter), headers=headers, value=text, value_base64=encoded)
