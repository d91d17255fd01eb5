"""What a platform is answered: 2xx only once everything is published, and a reason for everything else."""

import asyncio
import gzip
import hashlib
import hmac
import json
import tracemalloc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import metrics
from contracts.keys import Platform
from services.ingest import publish
from services.ingest.asgi import Answer, Request, WebhookApp
from services.ingest.catch_up import MARGIN_SECONDS, CatchUp
from services.ingest.publish import Intake, Unavailable
from services.ingest.slack.parse import parse
from services.ingest.slack.receive import SlackWebhook
from services.ingest.telegram.parse import NAME_AWAITED_SECONDS, Bot
from services.ingest.telegram.parse import parse as parse_update
from services.ingest.telegram.receive import TelegramWebhook
from tests.spans import recorded

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1700000000
POST = {
    "type": "event_callback",
    "team_id": "T1",
    "event": {
        "type": "message",
        "user": "U1",
        "text": "hi",
        "ts": "10.000100",
        "channel": "C1",
        "channel_type": "channel",
    },
}


class Producer:
    """What the intake needs of a producer: hands out acknowledgements that the test decides on."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.outcome: Exception | None = None
        self.acknowledge = True

    async def send(
        self, topic: str, value: bytes, *, key: bytes, headers: list[tuple[str, bytes]]
    ) -> asyncio.Future[None]:
        self.sent.append({"topic": topic, "value": value, "key": key, "headers": dict(headers)})
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.outcome is not None:
            future.set_exception(self.outcome)
        elif self.acknowledge:
            future.set_result(None)
        return future


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def slack(producer: Producer) -> SlackWebhook:
    intake = Intake(producer, parse, platform="slack", process="ingest-slack")
    return SlackWebhook(intake, SECRET, now=lambda: float(NOW))


def signed(body: bytes, *, at: int = NOW, secret: str = SECRET, path: str = "/slack/events") -> Request:
    mac = hmac.new(secret.encode(), f"v0:{at}:".encode() + body, hashlib.sha256).hexdigest()
    return Request("POST", path, {"x-slack-request-timestamp": str(at), "x-slack-signature": f"v0={mac}"}, body)


def refused(reason: str) -> float:
    return float(metrics.webhook_signature_failures.labels("slack", reason)._value.get())


async def test_an_event_is_answered_after_kafka_has_it(slack: SlackWebhook, producer: Producer) -> None:
    answer = await slack(signed(json.dumps(POST).encode()))
    assert answer.status == 200
    (record,) = producer.sent
    assert (record["topic"], record["key"]) == ("chat.events.v1", b"slack:C1")
    assert record["headers"]["ce_id"] == b"slack:C1:10.000100"


async def test_without_an_acknowledgement_the_answer_is_a_quick_503(
    slack: SlackWebhook, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "PUBLISH_SECONDS", 0.01)
    producer.acknowledge = False
    answer = await slack(signed(json.dumps(POST).encode()))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_when_kafka_refuses_the_answer_is_503(slack: SlackWebhook, producer: Producer) -> None:
    producer.outcome = KafkaConnectionError("away")
    assert (await slack(signed(json.dumps(POST).encode()))).status == 503


async def test_with_too_many_waiting_the_answer_is_an_immediate_503(
    slack: SlackWebhook, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "MAX_IN_FLIGHT", 0)
    assert (await slack(signed(json.dumps(POST).encode()))).status == 503
    assert producer.sent == []


async def test_the_challenge_is_answered(slack: SlackWebhook) -> None:
    answer = await slack(signed(json.dumps({"type": "url_verification", "challenge": "c", "token": "t"}).encode()))
    assert (answer.status, answer.content) == (200, {"challenge": "c"})


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (signed(b"{}", secret="other"), "signature_wrong"),
        (signed(b"{}", at=NOW - 301), "signature_stale"),
        (signed(b"{}", at=NOW + 301), "signature_stale"),
        (signed(b"{}", at=NOW - 301, secret="other"), "signature_wrong"),
        (Request("POST", "/slack/events", {}, b"{}"), "signature_missing"),
        (
            Request("POST", "/slack/events", {"x-slack-request-timestamp": "x", "x-slack-signature": "v0=1"}, b"{}"),
            "signature_stale",
        ),
    ],
)
async def test_a_bad_signature_is_refused_and_counted(
    slack: SlackWebhook, producer: Producer, request_: Request, reason: str
) -> None:
    before = refused(reason)
    answer = await slack(request_)
    assert (answer.status, answer.outcome) == (401, reason)
    assert refused(reason) == before + 1
    assert producer.sent == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"", "{}".encode("utf-16"), b'{"a":%s}' % (b"9" * 5000)])
async def test_a_body_that_is_no_json_object_is_400(slack: SlackWebhook, body: bytes) -> None:
    assert (await slack(signed(body))).status == 400


@pytest.mark.parametrize("ts", ["9" * 18, "9" * 30, "x", None])
async def test_a_time_out_of_range_breaks_the_parser_only(slack: SlackWebhook, producer: Producer, ts: object) -> None:
    body = json.dumps({**POST, "event": {**POST["event"], "ts": ts}}).encode()  # type: ignore[dict-item]
    assert (await slack(signed(body))).status == 200
    (record,) = producer.sent
    assert (record["topic"], record["value"]) == ("chat.events.v1.dead", body)


async def test_a_timestamp_of_thousands_of_digits_is_stale(slack: SlackWebhook) -> None:
    headers = {"x-slack-request-timestamp": "1" * 5000, "x-slack-signature": "v0=1"}
    assert (await slack(Request("POST", "/slack/events", headers, b"{}"))).status == 401


async def test_an_unknown_payload_is_200_and_publishes_nothing(slack: SlackWebhook, producer: Producer) -> None:
    body = json.dumps({"type": "event_callback", "event": {"type": "moon_phase_changed"}}).encode()
    before = metrics.payloads_unknown.labels("slack", "moon_phase_changed")._value.get()
    assert (await slack(signed(body))).status == 200
    assert producer.sent == []
    assert metrics.payloads_unknown.labels("slack", "moon_phase_changed")._value.get() == before + 1


async def test_a_payload_that_breaks_the_parser_is_kept_raw(slack: SlackWebhook, producer: Producer) -> None:
    body = json.dumps({"type": "event_callback", "event": {"type": "message", "text": "secret words"}}).encode()
    assert (await slack(signed(body))).status == 200
    (record,) = producer.sent
    assert (record["topic"], record["value"]) == ("chat.events.v1.dead", body)
    assert record["headers"]["okno-dead-cause"] == b"unparsable"
    assert b"secret words" not in b"".join(record["headers"].values())


async def test_a_broken_payload_is_not_acknowledged_before_it_is_kept(slack: SlackWebhook, producer: Producer) -> None:
    producer.outcome = KafkaConnectionError("away")
    assert (await slack(signed(b'{"type": "event_callback"}'))).status == 503


async def test_an_event_that_fits_no_record_is_kept_raw(slack: SlackWebhook, producer: Producer) -> None:
    """Asked for again it would be no smaller. Each mention stands in the text and in the list."""
    text = "".join(f"<@{number}>" for number in range(250_000))
    payload = {**POST, "event": {**POST["event"], "text": text}}  # type: ignore[dict-item]
    assert (await slack(signed(json.dumps({"token": "XVerificationToken", **payload}).encode()))).status == 200
    (record,) = producer.sent
    assert record["topic"] == "chat.events.v1.dead"
    assert record["headers"]["okno-dead-cause"] == b"too_large"
    assert json.loads(record["value"]) == {"token": "", **payload}


async def test_more_files_than_slack_allows_are_kept_raw(slack: SlackWebhook, producer: Producer) -> None:
    for count, topic in ((1000, "chat.events.v1"), (1001, "chat.events.v1.dead")):
        files = [{"id": str(number)} for number in range(count)]
        event = {**POST["event"], "files": files}  # type: ignore[dict-item]
        assert (await slack(signed(json.dumps({**POST, "event": event}).encode()))).status == 200
        assert producer.sent[-1]["topic"] == topic


@pytest.mark.parametrize(("path", "method", "status"), [("/", "POST", 404), ("/slack/events", "GET", 405)])
async def test_other_paths_and_methods_are_named(slack: SlackWebhook, path: str, method: str, status: int) -> None:
    assert (await slack(Request(method, path, {}, b""))).status == status


async def call(app: WebhookApp, parts: list[bytes], headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    messages = [{"type": "http.request", "body": part, "more_body": i < len(parts) - 1} for i, part in enumerate(parts)]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app({"method": "POST", "path": "/slack/events", "headers": headers or []}, receive, send)
    return {"status": sent[0]["status"], "left": len(messages)}


async def test_a_body_over_the_limit_is_refused_while_it_arrives() -> None:
    async def respond(request: Request) -> Answer:
        raise AssertionError("an oversized body reached the handler")

    assert await call(WebhookApp(respond, "/slack/events", limit=10), [b"123456", b"123456", b"never read"]) == {
        "status": 413,
        "left": 1,
    }


@pytest.fixture
async def spans() -> AsyncIterator[InMemorySpanExporter]:
    async with recorded(ratio=1.0) as exporter:
        yield exporter


def said(span: ReadableSpan) -> tuple[object, ...]:
    names = ("http.route", "http.response.status_code", "okno.outcome", "error.type")
    return tuple((span.attributes or {}).get(name) for name in names)


async def test_a_webhook_is_the_root_of_its_events_journey(
    slack: SlackWebhook, producer: Producer, spans: InMemorySpanExporter
) -> None:
    request = signed(json.dumps(POST).encode())
    headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
    foreign = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
    for _ in range(2):  # one task serves a connection's requests
        await call(WebhookApp(slack, slack.path), [request.body], [*headers, foreign])
    publish, webhook, _, next_webhook = spans.get_finished_spans()
    assert (webhook.name, webhook.parent, publish.name) == ("POST webhook", None, "ingest-slack publish")
    assert next_webhook.parent is None
    assert webhook.context is not None
    assert publish.parent is not None
    assert publish.context is not None
    assert publish.parent.span_id == webhook.context.span_id
    assert said(webhook) == ("/slack/events", 200, "accepted", None)
    assert f"{publish.context.trace_id:032x}" in str(producer.sent[0]["headers"])


async def test_what_a_webhooks_span_says_of_requests_that_come_to_nothing(spans: InMemorySpanExporter) -> None:
    async def respond(request: Request) -> Answer:
        if request.body == b"away":
            return Answer(503, "unavailable")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await call(WebhookApp(respond, "/slack/events"), [b""])
    await call(WebhookApp(respond, "/slack/events"), [b"away"])
    await call(WebhookApp(respond, "/mine", limit=1), [b"12"])
    assert [said(span) for span in spans.get_finished_spans()] == [
        ("/slack/events", None, None, "ZeroDivisionError"),
        ("/slack/events", 503, "unavailable", "unavailable"),
        (None, 413, "too_large", None),
    ]


@pytest.mark.parametrize(("secret", "status"), [("right", 200), ("wrong", 401), (None, 401)])
async def test_telegram_is_known_by_its_secret(producer: Producer, secret: str | None, status: int) -> None:
    intake = Intake(producer, parse, platform="telegram", process="ingest-telegram")
    webhook = TelegramWebhook(intake, 7700, "right")
    headers = {} if secret is None else {"x-telegram-bot-api-secret-token": secret}
    assert (await webhook(Request("POST", "/telegram/7700", headers, b'{"type": "x"}'))).status == status


def telegram_post(text: str, *entities: dict[str, Any]) -> Request:
    message = {"message_id": 1, "date": NOW, "chat": {"id": -5, "type": "group", "title": "Club"}, "from": {"id": 5}}
    update = {"update_id": 1, "message": {**message, "text": text, "entities": entities}}
    headers = {"x-telegram-bot-api-secret-token": "right"}
    return Request("POST", "/telegram/7700", headers, json.dumps(update).encode())


@pytest.mark.parametrize(
    ("request_", "command", "mentions_us"),
    [
        (telegram_post("@okno_bot hi", {"type": "mention", "offset": 0, "length": 9}), None, True),
        (telegram_post("/close@okno_bot", {"type": "bot_command", "offset": 0, "length": 15}), "close", False),
        (telegram_post("/close@other_bot", {"type": "bot_command", "offset": 0, "length": 16}), None, False),
    ],
)
async def test_what_names_a_bot_waits_at_telegram_until_our_own_name_is_known(
    producer: Producer, request_: Request, command: str | None, mentions_us: bool
) -> None:
    """Everything else is taken."""
    bot = Bot(7700)
    intake = Intake(
        producer, lambda update, at: parse_update(update, bot, at), platform="telegram", process="ingest-telegram"
    )
    webhook = TelegramWebhook(intake, 7700, "right")
    assert (await webhook(request_)).status == 503
    assert producer.sent == []
    unnamed = telegram_post("/close", {"type": "bot_command", "offset": 0, "length": 6})
    assert (await webhook(unnamed)).status == 200
    bot.username = "okno_bot"
    assert (await webhook(request_)).status == 200
    event = json.loads(producer.sent[-1]["value"])
    assert ((event.get("command") or {}).get("name"), event["mentions_us"]) == (command, mentions_us)


@pytest.mark.parametrize(
    "request_",
    [
        telegram_post("@okno_bot hi", {"type": "mention", "offset": 0, "length": 9}),
        telegram_post("/close@okno_bot", {"type": "bot_command", "offset": 0, "length": 15}),
    ],
)
async def test_a_bot_api_that_stays_away_holds_no_chat_for_longer_than_minutes(
    producer: Producer, request_: Request
) -> None:
    """Afterwards no name is ours, until it is known."""
    now = 1000.0
    bot = Bot(7700, ticks=lambda: now)
    intake = Intake(
        producer, lambda update, at: parse_update(update, bot, at), platform="telegram", process="ingest-telegram"
    )
    webhook = TelegramWebhook(intake, 7700, "right")
    now += NAME_AWAITED_SECONDS - 1
    assert (await webhook(request_)).status == 503
    now += 1
    assert (await webhook(request_)).status == 200
    event = json.loads(producer.sent[-1]["value"])
    assert (event.get("command"), event["mentions_us"]) == (None, False)


@pytest.mark.parametrize("where", ["text", "files"])
@pytest.mark.parametrize("odd", ["cut \ud83d", "\ude00 cut", "NUL \0"])
async def test_what_cannot_be_stored_costs_no_message(
    slack: SlackWebhook, producer: Producer, where: str, odd: str
) -> None:
    cut = json.dumps(odd).strip('"')
    event = json.dumps({**POST["event"], "text": "X", "files": [{"id": "F", "name": "Y"}]})  # type: ignore[dict-item]
    body = event.replace('"X"' if where == "text" else '"Y"', f'"{cut}"')
    answer = await slack(signed(f'{{"type": "event_callback", "team_id": "T1", "event": {body}}}'.encode()))
    assert answer.status == 200
    (record,) = producer.sent
    assert record["topic"] == "chat.events.v1"
    assert "\0" not in str(json.loads(record["value"]))


async def test_the_challenge_of_a_liar_is_answered_too(slack: SlackWebhook) -> None:
    deep = "[" * 1000 + "]" * 1000
    for challenge, status in (('"\\ud83d"', 200), ("[1]", 400), ("1" + "0" * 30, 400), ("null", 400), (deep, 400)):
        app = WebhookApp(slack, slack.path)
        body = f'{{"type": "url_verification", "challenge": {challenge}}}'.encode()
        request = signed(body)
        headers = [(name.encode(), value.encode()) for name, value in request.headers.items()]
        assert (await call(app, [body], headers))["status"] == status


@pytest.mark.parametrize("broken", [{"ts": 5}, {"user": None}, {"files": [7]}])
async def test_slacks_verification_token_is_not_kept_in_a_dead_letter(
    slack: SlackWebhook, producer: Producer, broken: dict[str, Any]
) -> None:
    payload = {"token": "XVerificationToken", **POST, "event": {**POST["event"], **broken}}  # type: ignore[dict-item]
    assert (await slack(signed(json.dumps(payload).encode()))).status == 200
    (record,) = producer.sent
    assert record["topic"] == "chat.events.v1.dead"
    assert json.loads(record["value"]) == {**payload, "token": ""}
    assert "XVerificationToken" not in str(record)


@pytest.mark.parametrize(
    "written", ['"token": "X\\"Token"', '"\\u0074oke\\u006E"\n:"XToken"', '"token":"XToken","token":"X\\\\"']
)
@pytest.mark.parametrize("rest", ["[" * 1000 + "]" * 1000, "1e400", '["\\"token\\": \\"kept\\"", "\U0001f600"]'])
async def test_the_token_is_taken_out_and_the_rest_stays_as_it_came(
    slack: SlackWebhook, producer: Producer, written: str, rest: str
) -> None:
    assert (await slack(signed(f'{{{written}, "type": "event_callback", "x": {rest}}}'.encode()))).status == 200
    (record,) = producer.sent
    assert record["topic"] == "chat.events.v1.dead"
    blank = ",".join(['"token":""'] * written.count(":"))
    assert record["value"] == f'{{{blank}, "type": "event_callback", "x": {rest}}}'.encode()


@pytest.mark.parametrize("filler", ["\U0001f600", "0,", "1e5,", "\\\\"])
async def test_what_is_kept_without_its_token_is_no_larger_than_it_came(
    slack: SlackWebhook, producer: Producer, filler: str
) -> None:
    """Written anew it may not fit a record: escapes, white space and longer numbers."""
    many = filler * 1000
    rest = f"[{many[:-1]}]" if filler.endswith(",") else f'"{many}"'
    body = f'{{"token":"XVerificationToken","type":"event_callback","x":{rest}}}'.encode()
    assert (await slack(signed(body))).status == 200
    (record,) = producer.sent
    assert len(record["value"]) == len(body) - len("XVerificationToken")


async def test_slacks_verification_token_is_not_kept_in_an_event(slack: SlackWebhook, producer: Producer) -> None:
    await slack(signed(json.dumps({"token": "XVerificationToken", **POST}).encode()))
    assert producer.sent[0]["topic"] == "chat.events.v1"
    assert "XVerificationToken" not in str(producer.sent)


@pytest.mark.parametrize(("secret", "status"), [("new", 200), ("old", 200), ("older", 401)])
async def test_while_the_signing_secret_changes_two_are_accepted(producer: Producer, secret: str, status: int) -> None:
    intake = Intake(producer, parse, platform="slack", process="ingest-slack")
    webhook = SlackWebhook(intake, "new", "old", now=lambda: float(NOW))
    assert (await webhook(signed(json.dumps(POST).encode(), secret=secret))).status == status


@pytest.mark.parametrize(("secret", "status"), [("new", 200), ("old", 200), ("older", 401)])
async def test_while_telegrams_secret_changes_two_are_accepted(producer: Producer, secret: str, status: int) -> None:
    intake = Intake(producer, parse, platform="telegram", process="ingest-telegram")
    webhook = TelegramWebhook(intake, 7700, "new", "old")
    headers = {"x-telegram-bot-api-secret-token": secret}
    assert (await webhook(Request("POST", "/telegram/7700", headers, b'{"type": "x"}'))).status == status


async def test_a_replay_within_the_window_has_the_same_id(slack: SlackWebhook, producer: Producer) -> None:
    """It is accepted, and decided once: the router knows the id."""
    request = signed(json.dumps(POST).encode())
    assert [(await slack(request)).status for _ in range(2)] == [200, 200]
    first, second = producer.sent
    assert first["headers"]["ce_id"] == second["headers"]["ce_id"]


async def test_what_kafka_takes_in_no_form_is_413(slack: SlackWebhook, producer: Producer) -> None:
    """Asked for again it would be too large again: no 503. The event is tried, then the raw payload."""
    producer.outcome = MessageSizeTooLargeError()
    assert (await slack(signed(json.dumps(POST).encode()))).status == 413
    assert [record["topic"] for record in producer.sent] == ["chat.events.v1", "chat.events.v1.dead"]


async def test_a_compressed_body_is_not_unpacked(slack: SlackWebhook, producer: Producer) -> None:
    bomb = gzip.compress(b" " * 50_000_000 + json.dumps(POST).encode())
    request = signed(bomb)
    tracemalloc.start()
    answer = await slack(replace(request, headers={**request.headers, "content-encoding": "gzip"}))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert answer.status == 400
    assert peak < 1_000_000
    assert producer.sent == []


async def test_refused_events_are_asked_for_once_kafka_takes_events_again(producer: Producer) -> None:
    """Slack has given them up when that took longer than its retries."""
    time = float(NOW)
    catch_up = CatchUp(producer, Platform.SLACK, process="x", after=300, now=lambda: time)
    catch_up._requests.get_nowait()  # the one of the start
    intake = Intake(producer, parse, platform="slack", process="x", catch_up=catch_up)
    producer.outcome = KafkaConnectionError("away")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await intake.take(b"{}", POST)
        time += 200
    producer.outcome = None
    await intake.take(b"{}", POST)
    since = catch_up._requests.get_nowait().since
    assert since is not None
    assert since.timestamp() == NOW - MARGIN_SECONDS


class Clocks:
    """A webhook whose clock goes wrong while time passes, and what it asks to be read."""

    def __init__(self, producer: Producer) -> None:
        self.passed, self.off = 0.0, 0.0
        self.catch_up = CatchUp(producer, Platform.SLACK, process="x", after=300, now=self.now)
        self.catch_up._requests.get_nowait()  # the one of the start
        intake = Intake(producer, parse, platform="slack", process="x", catch_up=self.catch_up)
        self.webhook = SlackWebhook(intake, SECRET, catch_up=self.catch_up, now=self.now, ticks=lambda: self.passed)

    def now(self) -> float:
        return NOW + self.passed + self.off

    async def post(self, *, sent: float | None = None, secret: str = SECRET) -> int:
        at = int(NOW + (self.passed if sent is None else sent))
        return (await self.webhook(signed(json.dumps(POST).encode(), at=at, secret=secret))).status

    def asked_since(self) -> list[float]:
        queue = self.catch_up._requests
        times = [queue.get_nowait().since for _ in range(queue.qsize())]
        return [time.timestamp() - NOW for time in times if time is not None]


@pytest.mark.parametrize("off", [-7200, -301, 301, 7200])
async def test_what_a_wrong_clock_refused_is_asked_for_when_it_is_right_again(producer: Producer, off: float) -> None:
    """From the first on, by Slack's time."""
    clocks = Clocks(producer)
    clocks.off = off
    for passed in (1000, 1500, 5000):
        clocks.passed = passed
        assert await clocks.post() == 401
    clocks.off, clocks.passed = 0, 5100
    assert [await clocks.post() for _ in range(2)] == [200, 200]
    assert clocks.asked_since() == [1000 - MARGIN_SECONDS]


async def test_what_slack_sends_again_by_itself_after_a_wrong_clock_is_not_asked_for(producer: Producer) -> None:
    clocks = Clocks(producer)
    clocks.off = 1000
    assert await clocks.post() == 401
    clocks.off, clocks.passed = 0, 299
    assert (await clocks.post(), clocks.asked_since()) == (200, [])


@pytest.mark.parametrize(
    ("sent", "secret", "off"),
    [(-100_000, SECRET, 0), (-301, SECRET, 0), (0, "other", 7200), (-100_000, SECRET, 7200)],
    ids=["replayed", "replayed soon", "forged", "replayed to a wrong clock"],
)
async def test_a_replayed_or_forged_request_asks_for_nothing(
    producer: Producer, sent: float, secret: str, off: float
) -> None:
    clocks = Clocks(producer)
    clocks.off = off
    assert await clocks.post(sent=sent, secret=secret) == 401
    clocks.off, clocks.passed = 0, 5000
    assert (await clocks.post(), clocks.asked_since()) == (200, [])
