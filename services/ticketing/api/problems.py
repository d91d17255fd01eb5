"""Every refusal is a problem detail (RFC 9457): what happened, and in `detail` what to do about it."""

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chassis.errors import Fate, fate_of
from chassis.logs import get_logger
from contracts.codec import ContractError
from services.ticketing.store.rows import to_json

log = get_logger("ticketing-api")
MEDIA_TYPE = "application/problem+json"


class FieldError(BaseModel):
    field: str = Field(description="Where: the body's, query's or header's field.", examples=["body.status"])
    message: str = Field(examples=["must be one of new, open, pending, on_hold, solved, closed"])


class ProblemJson(BaseModel):
    """RFC 9457. Other members may follow, such as `allowed`."""

    type: str = Field(examples=["urn:okno:problem:illegal-transition"])
    title: str = Field(examples=["Illegal transition"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["A ticket that is closed can't become pending; it can become open."])
    errors: list[FieldError] | None = None


class Problem(Exception):
    """Ends a request. `code` is stable for programs; `more` are further members of the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers
        self.more = more

    def response(self) -> Response:
        body = {
            "type": f"urn:okno:problem:{self.code}",
            "title": self.code.replace("-", " ").capitalize(),
            "status": self.status,
            "detail": self.detail,
            **self.more,
        }
        return Response(to_json(body), self.status, dict(self.headers or {}), MEDIA_TYPE)


def not_found(what: str, reference: str) -> Problem:
    return Problem(404, "not-found", f"There is no {what} {reference!r}.")


def invalid(field: str, message: str) -> Problem:
    """422 about one field."""
    return Problem(422, "invalid", f"{field}: {message}", errors=[{"field": field, "message": message}])


def refusals(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """Statuses as FastAPI documents them."""
    return {status: {"description": text, "model": ProblemJson} for status, text in texts.items()}


def install(app: FastAPI) -> None:
    """Turn every way to fail into a problem detail, in the API's description too."""
    app.openapi = _described(app.openapi)  # type: ignore[method-assign]
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)
    # Named, so that they are answered inside the stack like the others; `Exception` alone is answered outside of it.
    for kind in (
        asyncpg.PostgresError,
        asyncpg.InterfaceError,
        ContractError,
        OSError,
        TimeoutError,
        UnicodeEncodeError,
    ):
        app.add_exception_handler(kind, _unexpected)


def _described(plain: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """FastAPI documents every model as application/json; refusals have a type of their own."""

    def described() -> dict[str, Any]:
        document = plain()
        for operations in document["paths"].values():
            for operation in operations.values():
                for status, response in operation["responses"].items():
                    if status >= "400" and "application/json" in response["content"]:
                        response["content"][MEDIA_TYPE] = response["content"].pop("application/json")
        return document

    return described


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101
    return error.response()


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if isinstance(error.__cause__, ValueError | RecursionError):  # what FastAPI met while it read the body
        return _malformed()
    phrase = HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    said = error.detail if error.detail != phrase else "See /docs for what there is."
    return Problem(error.status_code, code, f"{phrase}. {said}", headers=error.headers).response()


async def _not_valid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    faults: Sequence[Any] = error.errors()
    if any(fault["type"] == "json_invalid" for fault in faults):
        return _malformed()
    if isinstance(error.body, bytes):  # FastAPI reads only what is said to be JSON
        return Problem(415, "unsupported-media-type", "Send JSON, with Content-Type: application/json.").response()
    errors = [
        {"field": ".".join(str(part) for part in fault["loc"]) or "request", "message": _said(fault)}
        for fault in faults[:20]
    ]
    detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors)
    return Problem(422, "invalid", detail, errors=errors).response()


def _malformed() -> Response:
    detail = (
        "The body can't be read as JSON. Check its syntax, its encoding (UTF-8), its depth and its numbers' digits."
    )
    return Problem(400, "malformed-json", detail).response()


def _said(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "extra_forbidden":
        return "there is no such field"
    message: str = fault["msg"]
    return message.removeprefix("Value error, ")


async def _unexpected(request: Request, error: Exception) -> Response:
    if fate_of(error) is Fate.TRANSIENT:
        log.warning("request_not_served", method=request.method, exc_info=error)
        detail = "The database is busy or away. Try again in a moment, with the same Idempotency-Key."
        return Problem(503, "unavailable", detail, headers={"Retry-After": "1"}).response()
    if isinstance(error, ContractError) and error.code == "too_large":
        log.warning("change_too_large", method=request.method, exc_info=error)
        detail = (
            "The ticket or message with this change is larger than a record may be; nothing was changed. Shorten it."
        )
        return Problem(413, "too-large", detail).response()
    if fate_of(error) is Fate.DATA or isinstance(error, UnicodeEncodeError):
        detail = (
            "The request holds what can't be stored or looked up, such as a NUL character or half a surrogate pair."
        )
        return Problem(400, "bad-value", detail).response()
    log.error("request_failed", method=request.method, exc_info=error)
    return Problem(500, "internal-error", "Something failed inside; it is logged with this request's trace.").response()
