"""The journey of a customer's message into its ticket, shot from the stack's trace page: `make trace-picture`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import httpx
from playwright.async_api import async_playwright

from deploy.telemetry.picture import browser
from sandbox.demo.stories import all_here, okno_trace
from sandbox.scenarios.clients import Clients, Doors
from sandbox.scenarios.model import STORIES, load
from sandbox.scenarios.play import play
from sandbox.stack.options import StackOptions
from sandbox.stack.progress import Progress
from sandbox.stack.stack import Stack

SIZE = {"width": 1280, "height": 690}
PATIENCE_MS = 60_000


async def draw(target: Path, state: Path) -> None:
    """Start the stack, play the first story twice, print its ticket's journeys, draw the first of them.

    Raises FileNotFoundError without a browser.
    """
    program = browser()
    options = StackOptions(state=state, stable_ports=False, traces_page=True)
    async with Stack(options, progress=Progress()) as stack, httpx.AsyncClient(timeout=30) as http:
        clients = Clients(http, Doors.of_stack(stack.info))
        for _ in range(2):  # the first warms everything up
            cast = await play(load(STORIES[0]), clients, _silent)
        ticket = cast.tickets["ticket"]
        history = await clients.api("GET", f"/tickets/{ticket}/history")
        opened = next(entry["trace_id"] for entry in history["items"] if entry["kind"] == "opened")
        await all_here(clients, opened)
        print(await okno_trace(clients.doors, ticket))
        await _shoot(f"{stack.info.zipkin_url}/zipkin/traces/{opened}", program, target)


async def _silent(*_: object) -> None:
    """The story needs no teller."""


async def _shoot(url: str, program: str, target: Path) -> None:
    """The page with the router's decision chosen: its tags name ticket, rule and policy."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = await chromium.new_page(viewport={"width": SIZE["width"], "height": SIZE["height"]})
        page.set_default_timeout(PATIENCE_MS)
        await page.goto(url)
        await page.get_by_text("router-0: decide", exact=True).click(force=True)
        await page.get_by_text("okno.ticket.id").scroll_into_view_if_needed()
        await page.mouse.move(0, 0)
        await page.screenshot(path=target, animations="disabled")
        await chromium.close()


def main(given: list[str]) -> int:
    if len(given) != 1:
        print(__doc__, "\nGive the file to write.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="okno-picture-") as folder:
        Path(folder).chmod(0o755)
        asyncio.run(draw(Path(given[0]), Path(folder) / "stack"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
