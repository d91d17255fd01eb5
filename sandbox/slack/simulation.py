"""A simulated Slack workspace with one app in it: state, Web API, event delivery and the people's side.

Make one, serve `routes(simulation)` and, before the loop ends, `await simulation.close()`. In-process users call
`workspace`, `places` and `messages` directly; others use the control API (see README.md beside this file).
"""

import secrets

import orjson

from sandbox.clock import Clock, ScaledClock
from sandbox.slack.delivery import Dispatcher
from sandbox.slack.errors import SlackError
from sandbox.slack.faults import Faults
from sandbox.slack.identity import Identity
from sandbox.slack.limits import Limits
from sandbox.slack.live import Live, Watcher
from sandbox.slack.messages import Messages
from sandbox.slack.methods.app import App
from sandbox.slack.model import Json
from sandbox.slack.places import Places
from sandbox.slack.settings import Settings
from sandbox.slack.socket_mode import SocketMode
from sandbox.slack.transport import Attempting, HttpTransport
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import Workspace


class Simulation:
    """One workspace. `seed` makes its ids repeatable; `clock` its time."""

    def __init__(
        self,
        identity: Identity | None = None,
        *,
        clock: Clock | None = None,
        settings: Settings | None = None,
        seed: int | None = None,
    ) -> None:
        self.identity = identity or Identity()
        self.clock: Clock = clock or ScaledClock()
        self.settings = settings or Settings()
        self.faults = Faults()
        self.live = Live()
        self.http = HttpTransport(self.identity, self.settings, self.clock)
        self.sockets = SocketMode(self.identity, self.settings)
        self.dispatcher = Dispatcher(
            self.identity, self.settings, self.clock, self.faults, self._transport, self.live.happened
        )
        self.workspace = Workspace(self.identity, self.clock, seed=seed, event=self._event, happened=self.live.happened)
        self.messages = Messages(self.workspace)
        self.places = Places(self.workspace, self.messages)
        self.limits = Limits(self.settings, self.clock)
        self.app = App(self.workspace, self.messages, self.places, self.settings)
        self.app.new_socket_url = self._socket_url
        self.web_api = WebApi(self.app, self.faults, self.limits, self.clock)

    def subscribe(self) -> Watcher:
        """Everything that happens from now on; see `live`."""
        return self.live.subscribe()

    async def configure_events(self, url: str | None, *, verify: bool = True) -> None:
        """Sets where events are posted, and enables that again; with `verify` only if the app returns the challenge.

        Error: url_verification_failed, with the reason, and the former address stays.
        """
        former, self.settings.events_url = self.settings.events_url, url
        self.dispatcher.subscription.enable()
        if url is None or not verify:
            return
        challenge = secrets.token_urlsafe(32)
        token = self.identity.verification_token
        body = orjson.dumps({"token": token, "challenge": challenge, "type": "url_verification"})
        outcome, answer = await self.http.post(body)
        if not outcome.delivered or not _returned(answer, challenge):
            self.settings.events_url = former
            reason = outcome.reason or "challenge_not_returned"
            raise SlackError("url_verification_failed", reason=reason, status=outcome.status)

    def serve_from(self, base_url: str) -> None:
        """Says where this simulation is reached: addresses of sockets, uploads and files begin so."""
        self.app.base_url = base_url
        self.workspace.files_url = f"{base_url}/files-pri/"

    async def close(self) -> None:
        """Stops deliveries and closes connections."""
        await self.dispatcher.close()
        await self.sockets.close()
        await self.http.close()

    def _transport(self) -> Attempting | None:
        if self.settings.transport == "socket":
            return self.sockets
        return self.http if self.settings.events_url is not None else None

    def _event(self, event: Json, lane: str) -> None:
        self.dispatcher.submit(event, lane)

    def _socket_url(self) -> str:
        address = self.app.base_url.replace("http", "ws", 1)
        return f"{address}/socket?ticket={self.sockets.new_ticket()}&app_id={self.identity.app_id}"


def _returned(answer: bytes, challenge: str) -> bool:
    """Whether an answer to url_verification carries the challenge: as JSON, as a form, or alone."""
    text = answer.decode(errors="replace").strip()
    if text in (challenge, f"challenge={challenge}"):
        return True
    try:
        body = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(body, dict) and body.get("challenge") == challenge
