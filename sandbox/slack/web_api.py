"""The Web API over HTTP: token, limits, faults, arguments, method, in this order, and the forms of the answers.

Refusals are HTTP 200 with `"ok": false`; only limits (429) and faults have other statuses. Every call is logged for
the tester, with what it did whatever the caller was told.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any

import orjson
from aiohttp import web

from sandbox.clock import Clock
from sandbox.slack import arguments as argument_check
from sandbox.slack.errors import SlackError
from sandbox.slack.faults import Fault, Faults
from sandbox.slack.limits import Limits
from sandbox.slack.methods.app import App
from sandbox.slack.methods.registry import METHODS, Entry
from sandbox.slack.model import Json

LOG_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as the tester sees it: `result` is what the method did, `answered` what the caller got."""

    at: float
    method: str
    arguments: Json
    result: str
    answered: str

    def json(self) -> Json:
        """For the control API."""
        return {name: getattr(self, name) for name in CallRecord.__slots__}


class WebApi:
    """Answers calls; holds no state of the workspace."""

    def __init__(self, app: App, faults: Faults, limits: Limits, clock: Clock) -> None:
        self._app = app
        self._faults = faults
        self._limits = limits
        self._clock = clock
        self.calls: deque[CallRecord] = deque(maxlen=LOG_LENGTH)

    async def handle(self, request: web.Request) -> web.Response:
        """One call of `<prefix>/api/<method>`."""
        method = request.match_info["method"]
        entry = METHODS.get(method)
        if entry is None:
            return _refusal(self._unknown(method))
        try:
            takes_json = argument_check.specification()["methods"][method]["json"]
            raw, token = await argument_check.read(request, takes_json=takes_json)
            self._authorize(entry, token)
        except SlackError as error:
            self._log(method, {}, error.code, error.code)
            return _refusal(error)
        return await self._limited(request, method, entry, raw)

    async def _limited(self, request: web.Request, method: str, entry: Entry, raw: Json) -> web.Response:
        channel = raw.get("channel")
        place = channel if isinstance(channel, str) else None
        wait = self._limits.allow(method, place)
        if wait:
            self._log(method, raw, "ratelimited", "429")
            return _too_many(wait)
        fault = self._faults.for_call(method, place)
        if fault is None:
            response, result = self._run(method, entry, raw)
            self._log(method, raw, result, result)
            return response
        return await self._faulty(request, method, entry, raw, fault)

    async def _faulty(self, request: web.Request, method: str, entry: Entry, raw: Json, fault: Fault) -> web.Response:
        if fault.kind == "delay" and not fault.effect:
            await asyncio.sleep(fault.seconds)
        response, result = None, "nothing"
        if fault.kind == "delay" or fault.effect:
            response, result = self._run(method, entry, raw)
        if fault.kind == "delay" and fault.effect:
            await asyncio.sleep(fault.seconds)
        answered = result if fault.kind == "delay" else fault.kind
        self._log(method, raw, result, answered)
        if fault.kind == "drop":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)
        if fault.kind == "rate_limit":
            return _too_many(fault.retry_after)
        if fault.kind == "http_error":
            return web.Response(status=fault.status, text="upstream error")
        if fault.kind == "api_error" or response is None:
            return _refusal(SlackError(fault.error))
        return response

    def _run(self, method: str, entry: Entry, raw: Json) -> tuple[web.Response, str]:
        try:
            self._require_scope(entry)
            body = {"ok": True} | entry.run(self._app, argument_check.check(method, raw))
        except SlackError as error:
            return _refusal(error), error.code
        return _answer(body), "ok"

    def _authorize(self, entry: Entry, token: str | None) -> None:
        identity = self._app.workspace.identity
        if token is None:
            raise SlackError("not_authed")
        if token not in (identity.bot_token, identity.app_token):
            raise SlackError("invalid_auth")
        if (token == identity.app_token) is not entry.app_token:
            raise SlackError("not_allowed_token_type")
        if self._app.token_error is not None:
            raise SlackError(self._app.token_error)

    def _require_scope(self, entry: Entry) -> None:
        if entry.scopes and self._app.scopes.isdisjoint(entry.scopes):
            provided = ",".join(sorted(self._app.scopes))
            raise SlackError("missing_scope", needed=",".join(entry.scopes), provided=provided)

    def _unknown(self, method: str) -> SlackError:
        details: dict[str, Any] = {"req_method": method}
        if method in argument_check.specification()["others"]:
            message = f"[ERROR] Slack has {method}, but this simulation does not"
            details["response_metadata"] = {"messages": [message]}
        self._log(method, {}, "unknown_method", "unknown_method")
        return SlackError("unknown_method", **details)

    def _log(self, method: str, raw: Json, result: str, answered: str) -> None:
        self.calls.append(CallRecord(self._clock.now(), method, raw, result, answered))


def _answer(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def _refusal(error: SlackError) -> web.Response:
    return _answer({"ok": False, "error": error.code} | error.details)


def _too_many(retry_after: int) -> web.Response:
    return _answer({"ok": False, "error": "ratelimited"}, 429, {"Retry-After": str(retry_after)})
