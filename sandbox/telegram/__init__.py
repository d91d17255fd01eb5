"""A simulated Telegram: the Bot API, delivery of updates, and a control API to act as people. No service imports it,
it imports none.
"""

from __future__ import annotations

from aiohttp import web

from sandbox.telegram.api import BotApi
from sandbox.telegram.control import ControlApi
from sandbox.telegram.limits import RateLimits
from sandbox.telegram.platform import Subscription
from sandbox.telegram.simulation import Simulation
from sandbox.telegram.world import BotIdentity

__all__ = ["BotIdentity", "RateLimits", "Simulation", "Subscription", "routes"]


def routes(simulation: Simulation, prefix: str = "") -> list[web.RouteDef]:
    """`<prefix>/telegram/...` (the Bot API) and `<prefix>/control/telegram/...` (the control API)."""
    return [*BotApi(simulation).routes(prefix), *ControlApi(simulation).routes(prefix)]
