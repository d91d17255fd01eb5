"""A Chromium for tests: the machine's own, or the one that Playwright installed.

Without any the test is skipped; in CI (`CI` set) it fails instead, so that the page can't go untested there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, ConsoleMessage, Error, Locator, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
)
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 400, "height": 760}
PATIENCE = 20_000
"""Milliseconds: two cores may be busy with everything else. Nothing waits longer than it takes."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A running browser without a window."""
    arguments = list(QUIET)
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's own sandbox refuses root
    async with async_playwright() as playwright:
        known = next((found for name in NAMES if (found := shutil.which(name))), None)
        program = known or playwright.chromium.executable_path
        if not Path(program).exists():
            reason = "no Chromium here: apt-get install chromium, or .venv/bin/playwright install chromium"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            await browser.close()


class Window:
    """One window on the sandbox page, and what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.errors.append(_said(error)))
        page.on("console", self._console)
        self.slack = page.locator("#slack")
        self.telegram = page.locator("#telegram")
        self.tickets = page.locator("#tickets")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    async def add_person(self, pane: Locator, name: str, role: str = "A customer") -> None:
        """Add somebody and be them."""
        await pane.get_by_role("button", name="New person").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill(name)
        await dialog.get_by_label("Who is it?").select_option(label=role)
        await dialog.get_by_role("button", name="Add").click()
        await dialog.wait_for(state="detached")

    async def add_place(self, pane: Locator, name: str, kind: str) -> None:
        """Create a channel or group and go there."""
        await pane.get_by_role("navigation").get_by_role("button", name="New ").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("Name").fill(name)
        await dialog.get_by_label("Kind").select_option(label=kind)
        await dialog.get_by_role("button", name="Create").click()
        await dialog.wait_for(state="detached")

    async def become(self, pane: Locator, name: str) -> None:
        await pane.get_by_role("combobox", name="You are").select_option(label=name)

    async def say(self, pane: Locator, text: str) -> None:
        """Type into the pane's composer and press Enter."""
        box = pane.get_by_role("textbox", name="Write")
        await box.fill(text)
        await box.press("Enter")

    def message(self, pane: Locator, text: str) -> Locator:
        """The message in a pane that contains this text."""
        return pane.locator(".message").filter(has_text=text)

    async def use(self, message: Locator, tool: str) -> None:
        """Press one of the buttons that a message shows under the pointer."""
        await message.hover()
        await message.get_by_role("button", name=tool, exact=True).click()

    async def answer(self, text: str) -> None:
        """Reply in the open ticket."""
        box = self.tickets.get_by_role("textbox", name="Reply to")
        await box.fill(text)
        await box.press("Enter")


def _said(error: Error) -> str:
    return f"{error.message}\n{error.stack or ''}"


@asynccontextmanager
async def window(browser: Browser, url: str, *, narrow: bool = False) -> AsyncIterator[Window]:
    """A window of its own profile on the page at `url`."""
    size = NARROW if narrow else WIDE
    context = await browser.new_context(viewport={"width": size["width"], "height": size["height"]})
    try:
        opened = Window(await context.new_page())
        await opened.page.goto(url)
        yield opened
    finally:
        await context.close()
