"""A collector that takes every span and keeps none, and a scraper of metrics: what Okno's telemetry costs is measured,
what a collector costs is not.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp import web

SCRAPE_SECONDS = 5.0


@asynccontextmanager
async def collector(port: int) -> AsyncIterator[None]:
    """Serve OTLP/HTTP while the block runs."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(content_type="application/x-protobuf")

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def scraping(urls: Collection[str]) -> AsyncIterator[None]:
    """Read the metrics pages again and again while the block runs, as Prometheus does."""

    async def scrape() -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4)) as session:
            while True:
                for url in urls:
                    with suppress(aiohttp.ClientError, TimeoutError):
                        async with session.get(url) as answer:
                            await answer.read()
                await asyncio.sleep(SCRAPE_SECONDS)

    task = asyncio.create_task(scrape())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
