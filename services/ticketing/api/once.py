"""Requests that change something: one transaction, and with an Idempotency-Key one effect and one answer for ever."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel
from starlette.responses import Response

from chassis.compared import is_compared
from chassis.database import Connection
from chassis.error_text import describe
from chassis.faults import fault_point
from chassis.logs import get_logger
from services.ticketing.api.context import Caller, services_of
from services.ticketing.api.problems import Problem
from services.ticketing.store import idempotency
from services.ticketing.store.saving import Conflict

KEY = "Idempotency-Key"
TRIES = 3

log = get_logger("ticketing-api")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    model: BaseModel
    headers: Mapping[str, str] = field(default_factory=dict)


Work = Callable[[Connection], Awaitable[Answer]]


def _documented(
    idempotency_key: Annotated[
        str | None,
        Header(
            description="Any unique string, 1 to 255 characters. A repetition with the same key and body has no second "
            "effect and gets the first answer; the same key with another body is refused."
        ),
    ] = None,
) -> None:
    """Shows the header in the API's description; `once` reads it."""
    del idempotency_key


Idempotent = Depends(_documented)


async def once(request: Request, caller: Caller, work: Work) -> Response:
    """Run `work` in a transaction and answer; a refusal inside rolls everything back, the key too."""
    key = request.headers.get(KEY)
    if key is not None and not (1 <= len(key) <= 255 and key.isprintable()):
        raise Problem(400, "bad-idempotency-key", f"{KEY} must have 1 to 255 printable characters.")

    async def keyed(connection: Connection) -> Response:
        if key is not None:
            stored = await _claim(connection, request, caller, key)
            if stored is not None:
                return _response(stored.status, stored.response, {"Idempotent-Replayed": "true"})
        answer = await work(connection)
        body = answer.model.model_dump_json().encode()
        if key is not None:
            await idempotency.keep(connection, caller.token.id, key, answer.status, body)
        await fault_point("ticketing-api.handled")
        return _response(answer.status, body, answer.headers)

    return await _committed(request, keyed)


async def change(request: Request, work: Work) -> Response:
    """The same without a key, for methods that may be repeated anyway."""

    async def unkeyed(connection: Connection) -> Response:
        answer = await work(connection)
        await fault_point("ticketing-api.handled")
        return _response(answer.status, answer.model.model_dump_json().encode(), answer.headers)

    return await _committed(request, unkeyed)


async def _committed(request: Request, work: Callable[[Connection], Awaitable[Response]]) -> Response:
    """`work` in a transaction of its own. Who lost against another transaction sees its rows at the next try."""
    tries = 0
    while True:
        tries += 1
        try:
            async with services_of(request).database.transaction() as connection:
                await _refuse_unless_compared(connection)
                response = await work(connection)
        except Conflict as error:
            log.warning("request_conflicts", method=request.method, tries=tries, error=describe(error))
            if tries == TRIES:
                detail = (
                    "What this would write is stored already, by something that it doesn't see. Nothing was changed. "
                    "Open the ticket again and look; if this answer stays, the log has the cause."
                )
                raise Problem(409, "conflict", detail) from error
        else:
            await fault_point("ticketing-api.committed")
            return response


async def _refuse_unless_compared(connection: Connection) -> None:
    """On a database that was set back a change would take a version that the log has for another one."""
    if not await is_compared(connection):
        detail = (
            "No ticketing worker has compared this database with the log since PostgreSQL was started: it may be an "
            "earlier copy. Nothing was changed. Try again in a moment, with the same Idempotency-Key. If this answer "
            "stays, see that Kafka runs and a ticketing-worker of this version, and read its log; if that refuses to "
            "go on, run `okno restore`."
        )
        raise Problem(503, "database-not-compared", detail, headers={"Retry-After": "1"})


async def _claim(connection: Connection, request: Request, caller: Caller, key: str) -> idempotency.StoredAnswer | None:
    digest = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    digest.update(await request.body())
    at = services_of(request).clock.now()
    try:
        return await idempotency.claim(connection, caller.token.id, key, digest.digest(), at)
    except idempotency.KeyReused:
        detail = f"This {KEY} was used for another request. Use a new key for a new request."
        raise Problem(422, "idempotency-key-reused", detail) from None


def _response(status: int, body: bytes, headers: Mapping[str, str]) -> Response:
    return Response(body, status, dict(headers), "application/json")
