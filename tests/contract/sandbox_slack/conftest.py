"""A served simulation for each test; see `world`."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sandbox.slack import Simulation, routes
from tests.contract.sandbox_slack.world import EventsApp, World


@pytest.fixture
async def app() -> AsyncIterator[EventsApp]:
    events_app = EventsApp()
    events_app.gate.set()
    application = web.Application()
    application.router.add_post("/slack/events", events_app.handle)
    async with TestServer(application) as server:
        events_app.url = str(server.make_url("/slack/events"))
        yield events_app
        events_app.gate.set()


@pytest.fixture
def simulation() -> Simulation:
    """Overridden by tests that need another clock or other settings."""
    return Simulation(seed=1)


@pytest.fixture
async def world(simulation: Simulation, app: EventsApp) -> AsyncIterator[World]:
    """The channel `support`, with the customer `anna` and the bot in it; events go to the app."""
    application = web.Application()
    application.add_routes(routes(simulation))
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        made = World(simulation, str(server.make_url("")).rstrip("/"), session, app)
        user = await made.control("POST", "/users", name="anna", real_name="Anna A", email="anna@example.com")
        channel = await made.control("POST", "/channels", name="support", members=["anna"])
        made.customer, made.channel = user["user"]["id"], channel["channel"]["id"]
        await made.control("PUT", "/events", url=app.url)
        yield made
        await simulation.close()
