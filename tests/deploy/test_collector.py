"""The example configuration of the OpenTelemetry collector, run as it is but for its addresses and a shorter wait."""

from __future__ import annotations

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sandbox.stack.ports import free_ports
from tests.deploy.conftest import ROOT, tool

CONFIG = ROOT / "deploy" / "compose" / "otel-collector.yaml"
SECONDS = 60
"""Longest wait, on a busy machine."""
PLAIN, ERROR, SLOW, STARTED = range(200), 1000, 1001, 1_700_000_000_000_000_000


class Store(HTTPServer):
    """Where the collector exports to: remembers which traces came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.kept: set[int] = set()
        self.came = threading.Condition()


class _Export(BaseHTTPRequestHandler):
    server: Store

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.came:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.server.kept |= {int.from_bytes(span.trace_id, "little") for span in scope.spans}
            self.server.came.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def journey(number: int, *, milliseconds: int = 300, failed: bool = False) -> ExportTraceServiceRequest:
    """A trace of two spans, the first as long as all of it; the second may fail."""
    status = Status.STATUS_CODE_ERROR if failed else Status.STATUS_CODE_UNSET
    trace, end = number.to_bytes(16, "little"), STARTED + milliseconds * 1_000_000
    spans = [
        Span(trace_id=trace, span_id=b"12345678", start_time_unix_nano=STARTED, end_time_unix_nano=end),
        Span(
            trace_id=trace, span_id=b"23456789", parent_span_id=b"12345678", start_time_unix_nano=STARTED + 10,
            end_time_unix_nano=STARTED + 20, status=Status(code=status),
        ),
    ]  # fmt: skip
    made = ExportTraceServiceRequest()
    made.resource_spans.add().scope_spans.add().spans.extend(spans)
    return made


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@dataclass(frozen=True, slots=True)
class Collector:
    """A running one, and its port for OTLP over HTTP."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path


@pytest.fixture
def collector(store: Store, tmp_path: Path) -> Iterator[Collector]:
    program = tool("otelcol")
    if program is None:
        pytest.skip("there is no otelcol; deploy/verify-chart builds one and runs this test")
    (port,) = free_ports(1)
    test = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": f"127.0.0.1:{port}"}}}},
        "processors": {"tail_sampling": {"decision_wait": "1s"}},
        "exporters": {"otlp_http": {"endpoint": f"http://127.0.0.1:{store.server_port}", "compression": "none"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {"traces": {"exporters": ["otlp_http"]}},
        },
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [program, "--config", CONFIG, "--config", tmp_path / "test.yaml"], stdout=output, stderr=output
        )
    try:
        yield Collector(process, port, log)
    finally:
        process.kill()
        process.wait()


def send(port: int, request: ExportTraceServiceRequest) -> None:
    """Until it is taken: the collector may still be starting."""
    deadline = time.monotonic() + SECONDS
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        try:
            connection.request(
                "POST", "/v1/traces", request.SerializeToString(), {"Content-Type": "application/x-protobuf"}
            )
            assert connection.getresponse().status == 200
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()


def test_it_keeps_errors_slow_journeys_and_a_tenth_of_the_others(store: Store, collector: Collector) -> None:
    for number in PLAIN:
        send(collector.port, journey(number))
    send(collector.port, journey(ERROR, failed=True))
    send(collector.port, journey(SLOW, milliseconds=2500))
    with store.came:
        assert store.came.wait_for(lambda: {ERROR, SLOW} <= store.kept, timeout=SECONDS), collector.log.read_text()
    collector.process.terminate()
    assert collector.process.wait(timeout=SECONDS) == 0
    assert "deprecated" not in collector.log.read_text()
    assert 0.02 < len(store.kept & set(PLAIN)) / len(PLAIN) < 0.25


def test_it_is_the_version_that_compose_runs() -> None:
    image = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["otel-collector"]["image"]
    assert f"\nOTELCOL=v{image.partition(':')[2]}\n" in (ROOT / "deploy" / "tools").read_text()
