"""A simulated Telegram on a free port, a raw HTTP client and python-telegram-bot in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from telegram import Bot
from telegram.request import HTTPXRequest

from sandbox.clock import ManualClock
from sandbox.telegram import Simulation
from tests.contract.sandbox_telegram.support import TOKEN, Receiver, Served, serve


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_750_000_000.0)


@pytest.fixture
async def served(clock: ManualClock) -> AsyncIterator[Served]:
    """A simulation served over HTTP, with the clock standing still."""
    async with Simulation(clock=clock) as simulation, serve(simulation) as one:
        yield one


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook that answers 200 unless told otherwise."""
    async with Receiver() as one:
        yield one


@pytest.fixture
async def http(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=served.url) as session:
        yield session


@pytest.fixture
async def ptb(served: Served) -> AsyncIterator[Bot]:
    """python-telegram-bot as anybody would use it, but for certificates, which plain HTTP has no use for."""
    request = HTTPXRequest(httpx_kwargs={"verify": False})
    updates = HTTPXRequest(httpx_kwargs={"verify": False})
    base = f"{served.url}/telegram"
    bot = Bot(
        TOKEN, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot", request=request, get_updates_request=updates
    )
    async with bot:
        yield bot
