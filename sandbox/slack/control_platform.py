"""The testers' half of the control API: event delivery, faults, limits, tokens, logs."""

from dataclasses import asdict
from typing import Any

from aiohttp import web

from sandbox.slack.control_request import Handler, Kind, fields, number
from sandbox.slack.delivery import Delivery
from sandbox.slack.errors import SlackError
from sandbox.slack.faults import Fault
from sandbox.slack.model import Json
from sandbox.slack.simulation import Simulation

SWITCHES: dict[str, Kind] = {
    "rate_limits": bool,
    "post_burst": int,
    "posts_per_minute": int,
    "marketplace": bool,
    "long_text_bytes": int,
    "truncate_posts": bool,
    "timeout_seconds": int | float,
    "retry_delays": list,
    "order": str,
    "concurrency": int,
    "events_per_hour": int,
    "disable_failing": bool,
}
FAULT_FIELDS: dict[str, Kind] = {
    "seconds": int | float,
    "retry_after": int,
    "status": int,
    "error": str,
    "effect": bool,
    "channel": str,
    "event_type": str,
    "skip": int,
    "times": int,
    "probability": int | float,
    "seed": int,
}
REASONS = ("refresh_requested", "warning", "link_disabled")
SHOWN_DELIVERIES = 1000


class PlatformControl:
    """What testers switch and look at."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Method and path of each call."""
        return {
            ("GET", "/state"): self.state,
            ("PUT", "/events"): self.configure_events,
            ("POST", "/events"): self.send_event,
            ("POST", "/events/rate-limited"): self.tell_rate_limited,
            ("GET", "/sockets"): self.count_sockets,
            ("POST", "/sockets/disconnect"): self.refresh_sockets,
            ("GET", "/deliveries"): self.list_deliveries,
            ("POST", "/deliveries/{event_id}/redeliver"): self.redeliver,
            ("GET", "/idle"): self.wait_idle,
            ("GET", "/settings"): self.show_settings,
            ("PATCH", "/settings"): self.change_settings,
            ("GET", "/faults"): self.list_faults,
            ("POST", "/faults"): self.add_fault,
            ("DELETE", "/faults"): self.clear_faults,
            ("DELETE", "/faults/{id}"): self.remove_fault,
            ("GET", "/calls"): self.list_calls,
            ("PATCH", "/app"): self.change_app,
        }

    async def state(self, _request: web.Request) -> Json:
        """Answers GET /state."""
        simulation = self._simulation
        identity = simulation.identity
        names = ("team_id", "team_name", "domain", "app_id", "bot_user_id", "bot_id", "bot_name")
        places = simulation.places
        return {
            "team": {name: getattr(identity, name) for name in names},
            "users": [places.user_view(user) for user in simulation.workspace.users.values()],
            "channels": [places.channel_view(channel) for channel in simulation.workspace.channels.values()],
            "settings": self._settings(),
            "faults": [fault.json() for fault in simulation.faults.list()],
        }

    async def configure_events(self, request: web.Request) -> Json:
        """Answers PUT /events."""
        optional: dict[str, Kind] = {"url": str, "verify": bool, "transport": str, "types": list}
        body = await fields(request, {}, optional)
        transport = body.get("transport", "http")
        if transport not in ("http", "socket"):
            raise SlackError("invalid_field", field="transport", known=["http", "socket"])
        settings = self._simulation.settings
        if "url" in body:
            await self._simulation.configure_events(body["url"], verify=body.get("verify", True))
        settings.transport = transport
        if "types" in body:
            settings.event_types = frozenset(body["types"]) if body["types"] is not None else None
        return {"settings": self._settings()}

    async def send_event(self, request: web.Request) -> Json:
        """Answers POST /events."""
        body = await fields(request, {"event": dict}, {"channel": str})
        if not isinstance(body["event"].get("type"), str):
            raise SlackError("missing_field", field="event.type")
        delivery = self._simulation.dispatcher.submit(body["event"], body.get("channel", "workspace"))
        return {"event_id": delivery.event_id if delivery else None}

    async def tell_rate_limited(self, _request: web.Request) -> Json:
        """Answers POST /events/rate-limited."""
        now = int(self._simulation.clock.now())
        return {"event_id": self._simulation.dispatcher.tell_rate_limited(now - now % 60).event_id}

    async def count_sockets(self, _request: web.Request) -> Json:
        """Answers GET /sockets."""
        return {"sockets": len(self._simulation.sockets.sockets)}

    async def refresh_sockets(self, request: web.Request) -> Json:
        """Answers POST /sockets/disconnect."""
        body = await fields(request, {}, {"reason": str})
        reason = body.get("reason", REASONS[0])
        if reason not in REASONS:
            raise SlackError("invalid_field", field="reason", known=list(REASONS))
        return {"told": await self._simulation.sockets.refresh(reason)}

    async def list_deliveries(self, request: web.Request) -> Json:
        """Answers GET /deliveries."""
        wanted = {name: request.query[name] for name in ("state", "type") if name in request.query}
        if "channel" in request.query:
            wanted["lane"] = request.query["channel"]
        found = [
            delivery
            for delivery in self._simulation.dispatcher.log
            if all(getattr(delivery, name) == value for name, value in wanted.items())
        ]
        limit = int(number(request, "limit", SHOWN_DELIVERIES))
        return {"total": len(found), "deliveries": [delivery.json() for delivery in found[-limit:]]}

    async def redeliver(self, request: web.Request) -> Json:
        """Answers POST /deliveries/{event_id}/redeliver."""
        delivery = self._delivery(request.match_info["event_id"])
        self._simulation.dispatcher.redeliver(delivery)
        return {"event_id": delivery.event_id}

    async def wait_idle(self, request: web.Request) -> Json:
        """Answers GET /idle."""
        dispatcher = self._simulation.dispatcher
        retries = request.query.get("retries", "1") not in ("0", "false")
        idle = await dispatcher.wait_idle(number(request, "timeout", 30), retries=retries)
        return {"idle": idle, "pending": dispatcher.pending, "retrying": dispatcher.retrying}

    async def show_settings(self, _request: web.Request) -> Json:
        """Answers GET /settings."""
        return {"settings": self._settings()}

    async def change_settings(self, request: web.Request) -> Json:
        """Answers PATCH /settings."""
        body = await fields(request, {}, SWITCHES | {"speed": int | float})
        if body.get("order", "channel") not in ("channel", "none"):
            raise SlackError("invalid_field", field="order", known=["channel", "none"])
        if "concurrency" in body and body["concurrency"] < 1:
            raise SlackError("invalid_field", field="concurrency")
        speed = body.pop("speed", None)
        if speed is not None:
            if speed <= 0:
                raise SlackError("invalid_field", field="speed")
            self._simulation.clock.speed = speed
        for name, value in body.items():
            if value is None and name != "events_per_hour":
                raise SlackError("invalid_field", field=name)
            setattr(self._simulation.settings, name, tuple(value) if name == "retry_delays" else value)
        return {"settings": self._settings()}

    async def list_faults(self, _request: web.Request) -> Json:
        """Answers GET /faults."""
        return {"faults": [fault.json() for fault in self._simulation.faults.list()]}

    async def add_fault(self, request: web.Request) -> Json:
        """Answers POST /faults."""
        body = await fields(request, {"target": str, "kind": str}, FAULT_FIELDS)
        given = {name: value for name, value in body.items() if value is not None}
        return {"fault": self._simulation.faults.add(Fault(**given)).json()}

    async def clear_faults(self, _request: web.Request) -> Json:
        """Answers DELETE /faults."""
        self._simulation.faults.clear()
        return {}

    async def remove_fault(self, request: web.Request) -> Json:
        """Answers DELETE /faults/{id}."""
        name = request.match_info["id"]
        if not name.isdigit() or not self._simulation.faults.remove(int(name)):
            raise SlackError("fault_not_found")
        return {}

    async def list_calls(self, request: web.Request) -> Json:
        """Answers GET /calls."""
        method = request.query.get("method")
        calls = [call for call in self._simulation.web_api.calls if method in (None, call.method)]
        limit = int(number(request, "limit", SHOWN_DELIVERIES))
        return {"total": len(calls), "calls": [call.json() for call in calls[-limit:]]}

    async def change_app(self, request: web.Request) -> Json:
        """Answers PATCH /app."""
        body = await fields(request, {}, {"scopes": list, "token_error": str})
        app = self._simulation.app
        if body.get("scopes") is not None:
            app.scopes = frozenset(body["scopes"])
        if "token_error" in body:
            app.token_error = body["token_error"]
        return {"scopes": sorted(app.scopes), "token_error": app.token_error}

    def _settings(self) -> dict[str, Any]:
        settings = self._simulation.settings
        shown = asdict(settings)
        shown["event_types"] = sorted(settings.event_types) if settings.event_types is not None else None
        shown["subscription_disabled"] = self._simulation.dispatcher.subscription.disabled
        return shown | {"speed": self._simulation.clock.speed}

    def _delivery(self, event_id: str) -> Delivery:
        for delivery in reversed(self._simulation.dispatcher.log):
            if delivery.event_id == event_id:
                return delivery
        raise SlackError("event_not_found")
