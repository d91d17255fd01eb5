"""The Bot API over HTTP: `/telegram/bot<token>/<method>` and `/telegram/file/bot<token>/<path>`.

Invariant: arguments may come in the query, a form, a multipart body or JSON (later ones win); the HTTP status is the
answer's `error_code`; a fault that cuts a connection leaves no half answer behind.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import BodyPartReader, MultipartReader, web

from sandbox.telegram.errors import ApiError, bad_request, not_found, server_error, too_many_requests
from sandbox.telegram.faults import Fault
from sandbox.telegram.files import MAX_UPLOAD
from sandbox.telegram.schema import Upload, method_name
from sandbox.telegram.simulation import Simulation
from sandbox.telegram.world import BotIdentity

MAX_BODY = MAX_UPLOAD + 1024 * 1024
CHUNK = 1 << 16


class BotApi:
    """The HTTP handlers of one simulation."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def routes(self, prefix: str = "") -> list[web.RouteDef]:
        path = f"{prefix}/telegram/bot{{token:[^/]+}}/{{method:[^/]+}}"
        file_path = f"{prefix}/telegram/file/bot{{token:[^/]+}}/{{path:.+}}"
        return [
            web.get(path, self.call, allow_head=False),
            web.post(path, self.call),
            web.get(file_path, self.download),
        ]

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One call of a method."""
        simulation = self._simulation
        method, arguments, code, faults = request.match_info["method"], {}, 200, []
        try:
            bot = self._bot(request)
            method = method_name(method)
            arguments = await read_arguments(request)
            faults = simulation.faults.strike(method, _chat_id(arguments))
            body = await self._execute(bot, method, arguments, faults)
        except ApiError as error:
            body, code = error.body(), error.code
        except _CutOff:
            self._log(method, arguments, None, faults)
            return _cut(request)
        self._log(method, arguments, body, faults)
        if any(fault.kind == "drop" for fault in faults):
            return _cut(request)
        headers = {}
        if retry_after := body.get("parameters", {}).get("retry_after"):
            headers["Retry-After"] = str(retry_after)
        return web.Response(body=orjson.dumps(body), status=code, content_type="application/json", headers=headers)

    def _bot(self, request: web.Request) -> BotIdentity:
        token = request.match_info["token"]
        number, colon, secret = token.partition(":")
        if not (number.isdigit() and colon and secret):
            raise not_found()
        return self._simulation.bot_of_token(token)

    async def _execute(
        self, bot: BotIdentity, method: str, arguments: dict[str, Any], faults: list[Fault]
    ) -> dict[str, Any]:
        """The call with its faults before and after the effect."""
        clock = self._simulation.clock
        for fault in faults:
            if fault.kind == "delay":
                await clock.sleep(fault.seconds * clock.speed)
        for fault in faults:
            match fault.kind:
                case "429":
                    raise too_many_requests(fault.retry_after)
                case "5xx":
                    raise server_error(fault.status)
                case "drop_before":
                    raise _CutOff
        answer = await self._simulation.call(bot, method, arguments)
        for fault in faults:
            if fault.kind == "5xx_after":
                raise server_error(
                    fault.status, "sent message was immediately deleted" if fault.status == 500 else None
                )
        return answer

    def _log(self, method: str, arguments: dict[str, Any], answer: dict[str, Any] | None, faults: list[Fault]) -> None:
        """What was called and what came of it, for testers."""
        entry = {
            "method": method,
            "arguments": {k: v.name if isinstance(v, Upload) else v for k, v in arguments.items()},
            "ok": bool(answer and answer["ok"]),
            "error_code": (answer or {}).get("error_code"),
            "description": (answer or {}).get("description"),
            "faults": [fault.kind for fault in faults],
            "at": self._simulation.clock.now(),
        }
        self._simulation.calls.append(entry)
        self._simulation.publish("call", **entry)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """The content of a file whose path getFile handed out."""
        try:
            self._bot(request)
        except ApiError as error:
            return web.json_response(error.body(), status=error.code)
        file = self._simulation.files.by_path(request.match_info["path"])
        if file is None:
            return web.json_response(not_found().body(), status=404)
        return web.Response(body=file.content, content_type="application/octet-stream")


class _CutOff(Exception):
    """The connection is to be cut without an effect."""


def _cut(request: web.Request) -> web.StreamResponse:
    """Cut the connection; the client sees it closed without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _chat_id(arguments: dict[str, Any]) -> int | None:
    try:
        return int(arguments.get("chat_id", ""))
    except (TypeError, ValueError):
        return None


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """The arguments of all places. Raises the 400 of a body that can't be read, the 413 of one too large."""
    arguments: dict[str, Any] = dict(request.query)
    if request.method == "GET" or not request.can_read_body:
        return arguments
    if request.content_type.startswith("multipart/"):
        return {**arguments, **await _multipart(request)}
    body = await _whole(request)
    if request.content_type == "application/json":
        return {**arguments, **_json(body)}
    if request.content_type == "application/x-www-form-urlencoded":
        return {**arguments, **dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))}
    return arguments


async def _whole(request: web.Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.content.iter_chunked(CHUNK):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise ApiError(413, "Request Entity Too Large")
    return b"".join(chunks)


def _json(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise bad_request("can't parse JSON object")
    return given


async def _multipart(request: web.Request) -> dict[str, Any]:
    """Plain parts are texts, parts with a file name are uploads; `attach://<part>` stands for the part's upload."""
    parts: dict[str, Any] = {}
    size = 0
    async for part in MultipartReader(request.headers, request.content):
        if not isinstance(part, BodyPartReader) or part.name is None:
            continue
        content = bytes(await part.read())
        size += len(content)
        if size > MAX_BODY:
            raise ApiError(413, "Request Entity Too Large")
        if part.filename is None:
            parts[part.name] = content.decode(errors="replace")
        else:
            parts[part.name] = Upload(
                part.filename, part.headers.get("Content-Type", "application/octet-stream"), content
            )
    for name, value in parts.items():
        if isinstance(value, str) and value.startswith("attach://"):
            parts[name] = parts.get(value.removeprefix("attach://"), value)
    return parts
