"""Hostile requests to the API over TCP: each is answered 2xx or a clear 4xx, as the API's description says, and the
process keeps serving within bounded memory. What schemathesis makes of the description is in test_generated_requests.
"""

from __future__ import annotations

import gzip
import json
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest

from chassis.clock import SystemClock
from chassis.database import Database
from services.ticketing.api.app import create_app
from tests.fuzz.mutate import HOSTILE
from tests.integration.ticketing.running_api import PATIENCE, Api

MEGABYTE = 1024 * 1024
AS_JSON = {"Content-Type": "application/json"}

Json = dict[str, Any]
document = create_app(cast("Database", None), SystemClock()).openapi()


def b64(text: str) -> str:
    """As cursors are written."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def checked(response: httpx.Response, operation: Json) -> None:
    """A documented status, and a refusal that says what is wrong."""
    said = f"{response.request.method} {response.request.url!r:.200}: {response.status_code} {response.text:.300}"
    assert response.status_code < 500, (said, response.request.content[:600])
    assert str(response.status_code) in operation["responses"], said
    if response.status_code >= 400:
        assert response.headers["content-type"] == "application/problem+json", said
        assert response.json()["detail"], said


def replaced(tree: Any, value: Any) -> Iterator[Any]:
    """The tree with the value in each place, one after the other, and as a name of each object."""
    yield value
    if isinstance(tree, dict):
        for name, inner in tree.items():
            yield from ({**tree, name: one} for one in replaced(inner, value))
        if isinstance(value, str):
            yield {**tree, value: 1}
    if isinstance(tree, list):
        for index, inner in enumerate(tree):
            yield from ([*tree[:index], one, *tree[index + 1 :]] for one in replaced(inner, value))


SOME = {
    "topic": "chat.events.v1",
    "consumer": "x",
    "cause": "x",
    "key": "x",
    "since": "2026-01-01T00:00:00Z",
    "limit": 1,
}
RULES = {"open_on": "keyword", "keywords": ["x"], "continue_within": "3m", "queue": "x", "tags": ["x"], "bots": ["x"]}
BODIES: dict[tuple[str, str], Json] = {
    ("patch", "/v1/tickets/{ticket}"): {"status": "open", "queue": "x", "assignee": "x", "tags": ["x"]},
    ("post", "/v1/tickets/{ticket}/replies"): {"text": "x", "mentions": ["x"], "conversation_id": "x", "agent_id": "x"},
    ("post", "/v1/tickets/{ticket}/notes"): {"text": "x", "agent_id": "x"},
    ("patch", "/v1/tickets/{ticket}/replies/{reply}"): {"text": "x"},
    ("post", "/v1/agents"): {"name": "x", "role": "agent", "identities": ["slack:U1"]},
    ("patch", "/v1/agents/{agent}"): {"name": "x", "role": "agent", "identities": ["slack:U1"], "active": True},
    ("put", "/v1/policy"): {
        "defaults": RULES,
        "overrides": [{"match": {"channel": "x", "name": "x", "workspace": "x"}, "queue": "x"}],
        "answers": [{"name": "x", "text": "x", "words": ["x"], "commands": ["x"], "description": "x"}],
    },
    ("post", "/v1/dead-letters/replay"): {**SOME, "force": False},
    ("post", "/v1/dead-letters/discard"): {**SOME, "reason": "x"},
    ("put", "/v1/dead-letters/{dead_letter}/value"): {"value": {"x": ["x"]}, "type": "okno.ticket.close.v1"},
    ("post", "/v1/dead-letters/{dead_letter}/replay"): {"original": False, "force": False},
    ("post", "/v1/dead-letters/{dead_letter}/discard"): {"reason": "x"},
}
OPERATIONS = [
    (method, path, operation) for path, methods in document["paths"].items() for method, operation in methods.items()
]
HEADERS = {"delete": {}, "get": {}, "patch": {"If-Match": "*"}, "post": {}, "put": {}}


def test_every_body_has_an_example() -> None:
    assert {(method, path) for method, path, operation in OPERATIONS if "requestBody" in operation} == set(BODIES)


@pytest.mark.parametrize(("method", "path"), BODIES)
def test_hostile_values_in_every_place_of_a_body(api: Api, method: str, path: str) -> None:
    operation = document["paths"][path][method]
    for make in HOSTILE:
        for body in replaced(BODIES[method, path], make()):
            headers = {**AS_JSON, **HEADERS[method]}
            content = json.dumps(body).encode()
            checked(api.http.request(method, path.format_map(api.known), content=content, headers=headers), operation)


IN_URLS = (
    "%00", "%ED%A0%80", "%FF%FE", "%E2%80%AE%E2%81%A6x", "%1B%5B2J%0D%0A", "9" * 19, "9" * 40, "-" + "9" * 40, "1e999",
    "NaN", "%C2%B2", "%D9%A3", "x" * 40_000, "..%2F..%2Fme", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00",
    "-99999-01-01T00:00:00Z", "1e10", b64(f"[{'9' * 30}]"), b64(f'["-number",{"9" * 30}]'), b64('["-number",-1]'),
    b64('["updated_at","0001-01-01T00:00:00+14:00","x"]'), b64('["agents","a\\u0000"]'), b64('["agents","\\ud800"]'),
    b64("[" * 100_000)[:40_000], "slack:%00", "slack:" + "x" * 5000,
)  # fmt: skip


@pytest.mark.parametrize("index", range(len(OPERATIONS)), ids=[f"{method} {path}" for method, path, _ in OPERATIONS])
def test_hostile_values_in_paths_and_queries(api: Api, index: int) -> None:
    method, path, operation = OPERATIONS[index]
    content = json.dumps(BODIES[method, path]).encode() if (method, path) in BODIES else None
    for value in IN_URLS:
        for one in operation.get("parameters", []):
            if one["in"] == "header":
                continue
            known = {**api.known, one["name"]: value} if one["in"] == "path" else api.known
            query = f"?{one['name']}={value}" if one["in"] == "query" else ""
            if one["name"] == "cursor" and path == "/v1/tickets":
                query += "&sort=updated_at" if "dXBkYXRlZF9hdC" in value else ""
            headers = {**(AS_JSON if content else {}), **HEADERS[method]}
            answer = api.http.request(method, f"{path.format_map(known)}{query}", content=content, headers=headers)
            checked(answer, operation)


NOTE = ("post", "/v1/tickets/{ticket}/notes")
DEEP = 100_000
FIELDS = b",".join(b'"%d":0' % one for one in range(90_000))
RAW: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "NUL": (b'{"text":"a\\u0000b"}', {}, 201, ""),
    "lone surrogate": (b'{"text":"a\\ud800b"}', {}, 422, "invalid"),
    "lone surrogate of an id": (b'{"text":"a","agent_id":"\\udc00"}', {}, 400, "bad-value"),
    "bidirectional and control characters": ('{"text":"\u202ea\u2066b\\u001b[2J\\u0007"}'.encode(), {}, 201, ""),
    "40,000 characters": (b'{"text":"%s"}' % (b"x" * 40_000), {}, 201, ""),
    "over the longest text": (b'{"text":"%s"}' % (b"x" * 100_001), {}, 422, "invalid"),
    "a number of 4,000 digits": (b'{"text":%s}' % (b"9" * 4000), {}, 422, "invalid"),
    "a number of 5,000 digits": (b'{"text":%s}' % (b"9" * 5000), {}, 400, "malformed-json"),
    "no number": (b'{"text":NaN}', {}, 422, "invalid"),
    "deep arrays": (b'{"text":%s1%s}' % (b"[" * DEEP, b"]" * DEEP), {}, 400, "malformed-json"),
    "deep objects": (b'{"a":' * DEEP + b"1" + b"}" * DEEP, {}, 400, "malformed-json"),
    "a million elements": (b'{"text":[%s0]}' % (b"0," * 1_000_000), {}, 413, "body-too-large"),
    "as many elements as fit": (b'{"text":[%s0]}' % (b"0," * 500_000), {}, 422, "invalid"),
    "as many fields as fit": (b"{%s}" % FIELDS, {}, 422, "invalid"),
    "a name twice": (b'{"text":"a","text":"b"}', {}, 201, ""),
    "not UTF-8": (b'{"text":"\xff\xfe"}', {}, 400, "malformed-json"),
    "nothing": (b"", {}, 422, "invalid"),
    "null": (b"null", {}, 422, "invalid"),
    "another type": (b'{"text":"a"}', {"Content-Type": "text/plain"}, 415, "unsupported-media-type"),
    "a form": (b"text=a", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
    "no type": (b'{"text":"a"}', {"Content-Type": ""}, 415, "unsupported-media-type"),
    "an unreadable type": (b'{"text":"a"}', {"Content-Type": "\x80;;=/json"}, 415, "unsupported-media-type"),
    "compressed": (gzip.compress(b'{"text":"a"}'), {"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
    "a bomb": (gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}, 415, "unsupported-media-type"),
    "compressed in secret": (gzip.compress(b'{"text":"a"}'), {}, 400, "malformed-json"),
    "the longest key": (b'{"text":"a"}', {"Idempotency-Key": "9" * 255}, 201, ""),
    "a key too long": (b'{"text":"a"}', {"Idempotency-Key": "9" * 256}, 400, "bad-idempotency-key"),
    "a key of odd bytes": (b'{"text":"a"}', {"Idempotency-Key": "\xff\xad"}, 400, "bad-idempotency-key"),
    "an odd traceparent": (b'{"text":"a"}', {"traceparent": "\xff" + "0" * 5000}, 201, ""),
    "an odd token": (b'{"text":"a"}', {"Authorization": "Bearer \xff" + "x" * 5000}, 401, "unauthorized"),
}


@pytest.mark.parametrize("name", RAW)
def test_hostile_bodies_and_headers(api: Api, name: str) -> None:
    content, headers, status, code = RAW[name]
    before = api.memory()
    sent = {key.encode(): value.encode("latin-1") for key, value in {**AS_JSON, **headers}.items()}
    response = api.http.post(NOTE[1].format_map(api.known), content=content, headers=sent)
    checked(response, document["paths"][NOTE[1]][NOTE[0]])
    assert response.status_code == status, response.text[:500]
    assert not code or response.json()["type"] == f"urn:okno:problem:{code}"
    assert api.memory() - before < 64 * MEGABYTE
    assert api.http.get("/v1/me").status_code == 200


@pytest.mark.parametrize(
    ("if_match", "status"),
    [
        ('"%s"' % ("9" * 18), 412),
        ('"%s"' % ("9" * 19), 400),
        ("9" * 5000, 400),
        ("\u00b2", 400),
        ("\xff", 400),
        ("", 400),
    ],
)
def test_hostile_revisions(api: Api, if_match: str, status: int) -> None:
    path = "/v1/tickets/{ticket}"
    response = api.http.patch(path.format_map(api.known), json={}, headers={b"If-Match": if_match.encode("latin-1")})
    checked(response, document["paths"][path]["patch"])
    assert response.status_code == status


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/me HTTP/1.1\r\nHost: x\r\nIf-Match: a\x00b\r\n\r\n",
        b"GET /v1/me HTTP/9.9\r\n\r\n",
        b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n" % (b"9" * 40),
        b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_refused(api: Api, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", httpx.URL(api.url).port or 0), timeout=PATIENCE) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert api.http.get("/v1/me").status_code == 200


BILLION = "".join(f"  - &a{n + 1} [{f'*a{n}, ' * 9}]\n" for n in range(9))
SAME = "  - &o {match: {name: x}, keywords: [" + "x, " * 1000 + "]}\n" + "  - *o\n" * 10_000
POLICIES: dict[str, tuple[bytes, str, int, str]] = {
    "as many faults as fit": (b'{"defaults":{"keywords":[%s0]}}' % (b"0," * 500_000), "json", 422, "invalid-policy"),
    "as many fields as fit": (b"{%s}" % FIELDS, "json", 422, "invalid-policy"),
    "deep": (b"[" * DEEP + b"]" * DEEP, "json", 400, "malformed-policy"),
    "lone surrogate": (b'{"defaults":{"queue":"\\ud800"}}', "json", 422, "invalid-policy"),
    "lone surrogate of an answer": (
        b'{"answers":[{"name":"x","text":"\\ud800","words":["x"]}]}', "json", 422, "invalid-policy"
    ),
    "NUL": (b'{"defaults":{"queue":"\\u0000"}}', "json", 422, "invalid-policy"),
    "a billion laughs": (f"overrides:\n  - &a0 [x]\n{BILLION}".encode(), "yaml", 422, "invalid-policy"),
    "ten million keywords": (f"overrides:\n{SAME}".encode(), "yaml", 422, "invalid-policy"),
    "without end": (b"&a {defaults: *a}", "yaml", 422, "invalid-policy"),
    "wide and without end": (b"&a [%s*a]" % (b"x, " * 10_000), "yaml", 422, "invalid-policy"),
    "long YAML": (b"a: [%s]" % (b"x," * 100_000), "yaml", 413, "body-too-large"),
    "deep YAML": (b"[" * DEEP, "yaml", 400, "malformed-policy"),
    "a tag without its value": (b"a: !!bool x", "yaml", 400, "malformed-policy"),
    "a tag without its time": (b"a: !!timestamp x", "yaml", 400, "malformed-policy"),
    "a tag without its number": (b"a: !!int ''", "yaml", 400, "malformed-policy"),
    "an object of Python": (b"!!python/object/apply:os.system [exit]", "yaml", 400, "malformed-policy"),
    "two documents": (b"---\na: 1\n---\nb: 2\n", "yaml", 400, "malformed-policy"),
    "not UTF-8": (b"a: \xff", "yaml", 400, "malformed-policy"),
    "another type": (b"{}", "xml", 415, "unsupported-media-type"),
}  # fmt: skip


@pytest.mark.parametrize("name", POLICIES)
def test_hostile_policies(api: Api, name: str) -> None:
    content, kind, status, code = POLICIES[name]
    before = api.memory()
    response = api.http.put("/v1/policy", content=content, headers={"Content-Type": f"application/{kind}"})
    checked(response, document["paths"]["/v1/policy"]["put"])
    assert (response.status_code, response.json()["type"]) == (status, f"urn:okno:problem:{code}"), response.text[:500]
    assert api.memory() - before < 64 * MEGABYTE
