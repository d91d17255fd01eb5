"""What Slack answers a read becomes Gone, Refused or Later; a method that Slack has closed isn't called meanwhile."""

import asyncio
import time
from typing import Any, cast

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from chassis.database import Database
from contracts.keys import slack_person
from services.ingest.bootstrap import LOOP_LIMIT_SECONDS
from services.ingest.worker import slack_reads
from services.ingest.worker.run import JobLoop
from services.ingest.worker.slack_reads import Gone, Later, Refused, SlackReads

ANNA = slack_person("U1")


def answer(status: int, data: Any, **headers: str) -> AsyncSlackResponse:
    return AsyncSlackResponse(
        client=None, http_verb="GET", api_url="", req_args={}, data=data, headers=headers, status_code=status
    )


class Client(AsyncWebClient):
    """Answers or raises what it is given, in turn."""

    def __init__(self, *outcomes: AsyncSlackResponse | Exception) -> None:
        self.outcomes = list(outcomes)
        self.calls: list[str] = []

    async def api_call(self, api_method: str, **_: Any) -> AsyncSlackResponse:
        self.calls.append(api_method)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        outcome.validate()  # type: ignore[no-untyped-call]
        return outcome


class Unparsable:
    """aiohttp's response, which slack_sdk hands on when a body is no JSON."""

    status = 503


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (answer(200, {"ok": False, "error": "user_not_found"}), Gone),
        (answer(200, {"ok": False, "error": "missing_scope"}), Refused),
        (answer(200, {"ok": False, "error": "no_permission"}), Refused),
        (answer(200, {"ok": False, "error": "token_revoked"}), Refused),
        (answer(200, {"ok": False, "error": "internal_error"}), Later),
        (answer(503, {}), Later),
        (answer(503, "upstream connect error"), Later),
        (SlackApiError("no JSON", Unparsable()), Later),  # type: ignore[no-untyped-call]
        (TimeoutError(), Later),
    ],
)
async def test_an_answer_is_narrowed(outcome: AsyncSlackResponse | Exception, expected: type[Exception]) -> None:
    with pytest.raises(expected) as raised:
        await SlackReads(Client(outcome)).person(ANNA)
    assert raised.type is expected


class Hanging(AsyncWebClient):
    """Never answers."""

    async def api_call(self, api_method: str, **_: Any) -> AsyncSlackResponse:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_connection_that_hangs_is_a_failed_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert slack_reads.CALL_SECONDS < LOOP_LIMIT_SECONDS
    monkeypatch.setattr(slack_reads, "CALL_SECONDS", 0.01)
    async with asyncio.timeout(10):
        with pytest.raises(Later, match=r"users\.info"):
            await SlackReads(Hanging()).person(ANNA)


class Slow(Client):
    """Each call takes 19 seconds of `now`; `ages` are the loop's in the middle of each."""

    def __init__(self, *outcomes: AsyncSlackResponse | Exception) -> None:
        super().__init__(*outcomes)
        self.now = 1000.0
        self.loop: JobLoop | None = None
        self.ages: list[float] = []

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        self.now += 19
        assert self.loop is not None
        self.ages.append(self.loop.last_turn_age())
        return await super().api_call(api_method, **arguments)


async def test_a_read_of_many_slow_pages_is_no_stuck_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails counts too."""
    more = answer(200, {"ok": True, "channels": [], "response_metadata": {"next_cursor": "more"}})
    client = Slow(answer(200, {"ok": True, "team_id": "T1"}), *[more] * 8, TimeoutError())
    monkeypatch.setattr(time, "monotonic", lambda: client.now)
    slack = SlackReads(client)
    client.loop = JobLoop(cast("Database", None), slack, None)
    with pytest.raises(Later):
        await slack.channels()
    assert client.ages == [19.0] * 10
    assert client.loop.last_turn_age() == 0


async def test_a_closed_method_is_not_called_until_slack_opens_it() -> None:
    client = Client(answer(429, {"ok": False, "error": "ratelimited"}, **{"Retry-After": "30"}))
    reads = SlackReads(client)
    for _ in range(3):
        with pytest.raises(Later) as raised:
            await reads.person(ANNA)
        assert raised.value.seconds == pytest.approx(30, abs=5)
    assert client.calls == ["users.info"]
