"""Both simulated platforms on one server, and what Kafka holds."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from sandbox import slack, telegram
from sandbox.stack.kafka.server import EmbeddedKafka
from sandbox.stack.ports import free_port
from tests.integration.ingest.support import Log, Platforms


@pytest.fixture
async def platforms() -> AsyncIterator[Platforms]:
    both = Platforms(slack.Simulation(), telegram.Simulation(), "")
    app = web.Application()
    app.add_routes(slack.routes(both.slack))
    app.add_routes(telegram.routes(both.telegram))
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    both.url = f"http://127.0.0.1:{port}"
    both.slack.serve_from(both.url)
    yield both
    await both.slack.close()
    await both.telegram.close()
    await runner.cleanup()


@pytest.fixture
async def log(kafka: EmbeddedKafka, registry_topics: None) -> Log:
    return Log(kafka)
