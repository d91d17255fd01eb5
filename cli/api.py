"""The ticketing API as commands use it: an answer, or one clear failure made of the API's problem details."""

from typing import Any

import httpx

from cli.environment import api_token, api_url
from cli.failure import fail

SECONDS = 30


def call(method: str, path: str, **arguments: Any) -> Any:
    """The JSON answer of `/v1<path>`; None where there is none."""
    headers = {"Authorization": f"Bearer {api_token()}", **arguments.pop("headers", {})}
    url = f"{api_url()}/v1{path}"
    try:
        response = httpx.request(method, url, headers=headers, timeout=SECONDS, **arguments)
    except httpx.HTTPError as error:
        fail(
            f"The ticketing API at {api_url()} doesn't answer: {error}",
            "Is ticketing-api running? `okno doctor` looks.",
        )
    if response.is_success:
        return response.json() if response.content else None
    _refused(response)


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


def _refused(response: httpx.Response) -> None:
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    title = problem.get("title") or response.reason_phrase
    detail = problem.get("detail") or ""
    lines = [f"{one.get('field', '')}: {one.get('message', '')}" for one in problem.get("errors") or ()]
    hint = "The token is missing or wrong: `okno tokens create`." if response.status_code == 401 else None
    fail("\n".join([f"{response.status_code} {title}{'. ' if detail else ''}{detail}", *lines]), hint)
