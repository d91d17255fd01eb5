"""`okno tickets reply`: a customer gets an answer once, whatever becomes of the request on its way. `show`: a talk."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cli import api
from cli.commands import app

run = CliRunner()
TAKEN = httpx.Response(201, json={"id": "m1", "delivery": {"state": "queued"}})
BUSY = httpx.Response(
    503, json={"type": "urn:okno:problem:unavailable", "title": "Unavailable", "detail": "Try again."}
)
NOT_COMPARED = httpx.Response(503, json={"type": "urn:okno:problem:database-not-compared", "title": "Not compared"})
CLOSED = httpx.Response(409, json={"title": "Illegal", "detail": "The ticket is closed."})
GATEWAY = httpx.Response(504, text="<html>")
TIMEOUT = httpx.ReadTimeout("timed out")
CUT = httpx.RemoteProtocolError("Server disconnected without sending a response.")
AWAY = httpx.ConnectError("refused")
Answer = httpx.Response | httpx.HTTPError


class Api:
    """Answers in turn; the keys and bodies of the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[tuple[str, Any]] = []
        self.waited: list[float] = []
        self._answers: Iterator[Answer] = iter(())
        monkeypatch.setattr("cli.api.httpx.request", self._request)
        monkeypatch.setattr("cli.api.time.sleep", self.waited.append)

    def reply(self, *answers: Answer) -> tuple[int, str]:
        self._answers = iter(answers)
        said = run.invoke(app, ["tickets", "reply", "12", "Done."])
        assert next(self._answers, None) is None
        return said.exit_code, said.output

    def _request(self, method: str, url: str, *, headers: dict[str, str], json: Any, **_: object) -> httpx.Response:
        assert (method, url) == ("POST", "http://api/v1/tickets/12/replies")
        self.requests.append((headers["Idempotency-Key"], json))
        answer = next(self._answers)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        return answer


@pytest.fixture
def ticketing(monkeypatch: pytest.MonkeyPatch) -> Api:
    monkeypatch.setenv("OKNO_API_URL", "http://api")
    monkeypatch.setenv("OKNO_API_TOKEN", "okno_x")
    return Api(monkeypatch)


@pytest.mark.parametrize("first", [TIMEOUT, CUT, BUSY, NOT_COMPARED, GATEWAY])
def test_a_reply_without_an_answer_is_sent_again_as_the_same(first: Answer, ticketing: Api) -> None:
    assert ticketing.reply(first, TAKEN) == (0, "m1 queued\n")
    assert ticketing.requests[0] == ticketing.requests[1]
    assert ticketing.waited == [api.REPEAT_SECONDS]


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ((TIMEOUT, TIMEOUT), "doesn't answer: timed out"),
        ((CUT, AWAY), "doesn't answer: refused"),
        ((TIMEOUT, BUSY), "503 Unavailable. Try again."),
        ((TIMEOUT, NOT_COMPARED), "503 Not compared"),
        ((NOT_COMPARED, GATEWAY), "504"),
    ],
)
def test_what_may_have_been_taken_is_said_to_be_so(answers: tuple[Answer, ...], what: str, ticketing: Api) -> None:
    code, said = ticketing.reply(*answers)
    assert (code, what in said) == (1, True)
    assert "may have been taken: look with `okno tickets show 12` before you send it again." in said


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ((AWAY,), "Is ticketing-api running?"),
        ((CLOSED,), "409 Illegal. The ticket is closed."),
        ((NOT_COMPARED, NOT_COMPARED), "503 Not compared"),
        ((NOT_COMPARED, AWAY), "Is ticketing-api running?"),
    ],
)
def test_what_was_surely_not_taken_is_not_in_doubt(answers: tuple[Answer, ...], what: str, ticketing: Api) -> None:
    code, said = ticketing.reply(*answers)
    assert (code, what in said, "may have been taken" in said) == (1, True, False)
    assert len(ticketing.waited) == len(answers) - 1


def test_two_replies_are_two(ticketing: Api) -> None:
    ticketing.reply(TAKEN)
    ticketing.reply(TAKEN)
    (first, _), (second, _) = ticketing.requests
    assert first != second


def test_a_message_is_shown_with_what_it_replies_to(monkeypatch: pytest.MonkeyPatch) -> None:
    mia, ann = {"kind": "customer", "name": "Mia"}, {"kind": "agent", "name": None}
    listed: list[dict[str, Any]] = [
        {
            "author": mia,
            "text": "one\ntwo " + "x" * 60,
            "source": {"message_key": "telegram:7700:1:5"},
            "reply_to": None,
        },
        {"author": ann, "text": "Which?", "delivery": {"state": "sent", "message_keys": ["k", "telegram:7700:1:7"]}},
        {
            "author": mia,
            "text": "this one",
            "source": {"message_key": "telegram:7700:1:8"},
            "reply_to": "telegram:7700:1:5",
        },
        {
            "author": mia,
            "text": "not that",
            "source": {"message_key": "telegram:7700:1:9"},
            "reply_to": "telegram:7700:1:7",
        },
        {"author": mia, "text": "nor this", "source": None, "reply_to": "telegram:7700:1:2"},
    ]
    monkeypatch.setattr("cli.tickets.call", lambda *_: {"number": 12, "requester": None})
    monkeypatch.setattr("cli.tickets.pages", lambda *_: [{"created_at": "2026-11-23", **one} for one in listed])
    lines = run.invoke(app, ["tickets", "show", "12"]).output.splitlines()
    said = {line: lines[number - 1] for number, line in enumerate(lines)}
    assert said["this one"] == f"[in reply to Mia: one two {'x' * 51}…]"
    assert said["not that"] == "[in reply to agent: Which?]"
    assert said["nor this"] == "[in reply to telegram:7700:1:2]"
    assert said["Which?"].endswith("agent (agent)")
