"""The ticketing API as commands use it: an answer, or one clear failure made of the API's problem details."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

import httpx

from cli.environment import api_token, api_url
from cli.failure import fail

SECONDS = 30
REPEAT_SECONDS = 2.0
_Answer = httpx.Response | httpx.HTTPError
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.LocalProtocolError)
_NOTHING_CHANGED = "urn:okno:problem:database-not-compared"


def call(method: str, path: str, **arguments: Any) -> Any:
    """The JSON answer of `/v1<path>`; None where there is none."""
    return _result(_send(method, path, **arguments))


def post_once(path: str, body: Any, *, in_doubt: str) -> Any:
    """The answer to a POST that has one effect. `in_doubt` is said to whoever can't know whether it had it.

    It is repeated once, with the same Idempotency-Key, where no answer tells what became of it. The API lets a
    repetition wait for the end of the first, and says 503 when that takes too long.
    """
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    answer = _send("POST", path, json=body, headers=headers)
    doubt = _may_be_done(answer)
    if doubt or _not_served(answer):
        time.sleep(REPEAT_SECONDS)
        answer = _send("POST", path, json=body, headers=headers)
        doubt = doubt or _may_be_done(answer)
    return _result(answer, in_doubt if doubt else None)


def pages(path: str, limit: int, **parameters: Any) -> list[dict[str, Any]]:
    """Up to `limit` items of a list, over as many pages as it takes."""
    items: list[dict[str, Any]] = []
    asked = {name: value for name, value in parameters.items() if value is not None}
    cursor: str | None = None
    while len(items) < limit:
        page = {"limit": min(limit - len(items), 100), **({"cursor": cursor} if cursor else {})}
        answer = call("GET", path, params={**asked, **page})
        items += answer["items"]
        cursor = answer["next_cursor"]
        if not cursor:
            break
    return items


def _send(method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any) -> _Answer:
    headers = {"Authorization": f"Bearer {api_token()}", **(headers or {})}
    try:
        return httpx.request(method, f"{api_url()}/v1{path}", headers=headers, timeout=SECONDS, **arguments)
    except httpx.HTTPError as error:
        return error


def _not_served(answer: _Answer) -> bool:
    return isinstance(answer, httpx.Response) and answer.is_server_error


def _may_be_done(answer: _Answer) -> bool:
    """Whether the request may have had its effect, though no answer or one of what stands before the API says so."""
    if isinstance(answer, httpx.Response):
        return answer.is_server_error and _problem(answer).get("type") != _NOTHING_CHANGED
    return not isinstance(answer, _NOT_SENT)


def _result(answer: _Answer, hint: str | None = None) -> Any:
    """Ends the command unless the API did what it was asked for."""
    if not isinstance(answer, httpx.Response):
        fail(
            f"The ticketing API at {api_url()} doesn't answer: {str(answer) or type(answer).__name__}",
            hint or "Is ticketing-api running? `okno doctor` looks.",
        )
    if answer.is_success:
        return answer.json() if answer.content else None
    problem = _problem(answer)
    title = problem.get("title") or answer.reason_phrase
    detail = problem.get("detail") or ""
    lines = [f"{one.get('field', '')}: {one.get('message', '')}" for one in problem.get("errors") or ()]
    if answer.status_code == 401:
        hint = hint or "The token is missing or wrong: `okno tokens create`."
    fail("\n".join([f"{answer.status_code} {title}{'. ' if detail else ''}{detail}", *lines]), hint)


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The problem details of a refusal; empty where it is none of the API's."""
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
