"""The sandbox process's own parts over HTTP: traces, live stream, way to the ticketing API, page, strangers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from sandbox import page, slack, telegram
from sandbox.desk import Desk
from sandbox.server import Parts, build
from sandbox.traces.store import TraceStore
from sandbox.traces.zipkin import ZipkinForwarder

Client = TestClient[web.Request, web.Application]


@pytest.fixture
async def ticketing() -> AsyncIterator[TestServer]:
    """A ticketing API that repeats what it was asked."""

    async def repeat(request: web.Request) -> web.Response:
        said = {"method": request.method, "path": request.raw_path, "body": await request.text()}
        kept = {name: request.headers.get(name) for name in ("Authorization", "If-Match", "Cookie")}
        return web.json_response(said | kept, status=201, headers={"ETag": '"7"'})

    app = web.Application()
    app.add_routes([web.route("*", "/{path:.*}", repeat)])
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
def zipkin_batches() -> list[list[dict[str, object]]]:
    return []


@pytest.fixture
async def zipkin(zipkin_batches: list[list[dict[str, object]]]) -> AsyncIterator[ZipkinForwarder]:
    async def take(request: web.Request) -> web.Response:
        zipkin_batches.append(await request.json())
        return web.Response(status=202)

    app = web.Application()
    app.add_routes([web.post("/api/v2/spans", take)])
    async with TestServer(app) as server:
        forwarder = ZipkinForwarder(str(server.make_url("/")))
        running = asyncio.create_task(forwarder.run())
        yield forwarder
        running.cancel()


@pytest.fixture
async def parts(ticketing: TestServer, zipkin: ZipkinForwarder) -> Parts:
    desk = Desk(str(ticketing.make_url("/")), "okno_admin")
    return Parts(slack.Simulation(), telegram.Simulation(), TraceStore(), desk, zipkin)


@pytest.fixture
async def client(parts: Parts) -> AsyncIterator[Client]:
    async with TestClient(TestServer(build(parts))) as client:
        yield client


async def export(client: Client) -> str:
    """Send a root span, its failing child and a linked span with the official exporter; the root's trace id."""
    exporter = OTLPSpanExporter(endpoint=str(client.make_url("/otlp/v1/traces")))
    provider = TracerProvider(resource=Resource({"service.name": "okno", "service.instance.id": "router-0"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    def work() -> str:
        with tracer.start_as_current_span("decide", attributes={"okno.ticket": "t-1", "batch": [1, 2]}) as root:
            try:
                with tracer.start_as_current_span("publish"):
                    raise RuntimeError("Kafka is away")
            except RuntimeError:
                pass
        provider.shutdown()
        return format(root.get_span_context().trace_id, "032x")

    return await asyncio.to_thread(work)


async def test_spans_of_the_official_exporter_are_shown_as_one_trace(client: Client) -> None:
    trace_id = await export(client)
    shown = await (await client.get(f"/traces/{trace_id}")).json()
    root, child = shown["spans"]
    assert (root["name"], root["process"], root["parent_id"]) == ("decide", "router-0", None)
    assert root["attributes"] == {"okno.ticket": "t-1", "batch": [1, 2]}
    assert (child["name"], child["parent_id"]) == ("publish", root["span_id"])
    assert "Kafka is away" in child["error"]
    assert root["duration_ms"] >= child["duration_ms"] > 0


async def test_traces_are_found_by_attribute(client: Client) -> None:
    trace_id = await export(client)
    found = await (await client.get("/traces", params={"okno.ticket": "t-1"})).json()
    assert [item["trace_id"] for item in found["items"]] == [trace_id]
    other = await (await client.get("/traces", params={"okno.ticket": "t-2"})).json()
    assert other == {"items": []}


async def test_spans_reach_zipkin_in_its_own_form(
    client: Client, zipkin_batches: list[list[dict[str, object]]]
) -> None:
    trace_id = await export(client)
    while sum(map(len, zipkin_batches)) < 2:
        await asyncio.sleep(0)
    child, root = [span for batch in zipkin_batches for span in batch]
    assert (root["traceId"], child["parentId"], child["localEndpoint"]) == (
        trace_id,
        root["id"],
        {"serviceName": "router-0"},
    )


@pytest.mark.parametrize(
    ("path", "status"), [("/traces/" + "0" * 32, 404), ("/traces?limit=0", 400), ("/traces?limit=x", 400)]
)
async def test_questions_about_unknown_traces_are_answered_with_a_reason(
    client: Client, path: str, status: int
) -> None:
    answer = await client.get(path)
    assert answer.status == status
    assert (await answer.json())["error"]


async def test_a_body_that_is_not_otlp_is_refused(client: Client) -> None:
    headers = {"Content-Type": "application/x-protobuf"}
    assert (await client.post("/otlp/v1/traces", data=b"\xff\xff\xff", headers=headers)).status == 400
    assert (await client.post("/otlp/v1/traces", json={})).status == 415


async def test_the_page_talks_to_the_ticketing_api_with_the_stacks_token(client: Client) -> None:
    headers = {"If-Match": '"6"', "Cookie": "a=b"}
    answer = await client.patch("/tickets/v1/tickets/t-1?x=%26", data="body", headers=headers)
    assert answer.status == 201
    assert answer.headers["ETag"] == '"7"'
    assert await answer.json() == {
        "method": "PATCH",
        "path": "/v1/tickets/t-1?x=%26",
        "body": "body",
        "Authorization": "Bearer okno_admin",
        "If-Match": '"6"',
        "Cookie": None,
    }


async def test_without_a_ticketing_api_the_page_is_told_so() -> None:
    nowhere = Parts(slack.Simulation(), telegram.Simulation(), TraceStore(), Desk("http://127.0.0.1:1", None))
    async with TestClient(TestServer(build(nowhere))) as client:
        assert (await client.get("/tickets/v1/tickets")).status == 502


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        (None, None, 201),
        (None, "http://evil.example", 403),
        ("127.0.0.1:8700", "http://127.0.0.1:8700", 201),
        ("localhost:8700", "http://localhost:8700", 201),
        ("rebound.evil.example", "http://rebound.evil.example", 403),
    ],
)
async def test_other_sites_cannot_use_the_admin_token(
    client: Client, host: str | None, origin: str | None, status: int
) -> None:
    headers = {name: value for name, value in (("Host", host), ("Origin", origin)) if value is not None}
    assert (await client.post("/tickets/v1/tokens", headers=headers)).status == status


async def test_the_live_stream_shows_both_platforms_and_ends_with_the_server(parts: Parts) -> None:
    server = TestServer(build(parts))
    await server.start_server()
    async with ClientSession() as session, session.get(server.make_url("/live")) as stream:
        assert await stream.content.readline() == b": live\n"
        parts.telegram.publish("hello", text="from Telegram")
        parts.slack.live.happened("hello", {"text": "from Slack"})
        seen: dict[str, str] = {}
        while len(seen) < 2:
            line = await stream.content.readline()
            if line.startswith(b"data: "):
                event = json.loads(line[6:])
                seen[event["platform"]] = event["text"]
        assert seen == {"telegram": "from Telegram", "slack": "from Slack"}
        await server.close()
        assert (await stream.content.read()).strip() == b""


async def test_only_the_pages_own_files_are_served(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "index.html").write_text("<h1>Okno</h1>")
    (tmp_path / "web" / "app.js").write_text("go()")
    (tmp_path / "secret.js").write_text("no")
    app = web.Application()
    app.add_routes(page.routes(tmp_path / "web"))
    async with TestClient(TestServer(app)) as client:
        assert "Okno" in await (await client.get("/")).text()
        assert await (await client.get("/app.js")).text() == "go()"
        assert await (await client.get("/web/app.js")).text() == "go()"
        for path in ("/web/..%2Fsecret.js", "/secret.js", "/web/nothing.css"):
            assert (await client.get(path)).status == 404, path
