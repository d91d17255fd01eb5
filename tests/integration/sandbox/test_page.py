"""The page's own mechanics in a real Chromium, on the sandbox's server alone; the ticketing API is a small stand-in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Route, expect

from sandbox import slack, telegram
from sandbox.desk import Desk
from sandbox.live import Live
from sandbox.server import LIVE, Parts, build
from sandbox.slack.messages import Draft
from sandbox.slack.model import ChannelType
from sandbox.telegram.feed import Webhook
from sandbox.traces.store import TraceStore
from tests.browser import NARROW, PATIENCE, Window, chromium, window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=PATIENCE)


@dataclass
class EmptyDesk:
    """A ticketing API without tickets that remembers its agents, and can be away."""

    agents: list[dict[str, Any]] = field(default_factory=list)
    away: bool = False

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._absence])
        app.add_routes(
            [
                web.get("/v1/tickets", self._page),
                web.get("/v1/tickets/counts", self._counts),
                web.get("/v1/agents", self._agents),
                web.post("/v1/agents", self._add),
            ]
        )
        return app

    @web.middleware
    async def _absence(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if self.away:
            return web.json_response({"title": "Unavailable", "detail": "The desk has gone fishing."}, status=503)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _page(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [], "next_cursor": None})

    async def _counts(self, _: web.Request) -> web.Response:
        return web.json_response({"status": {}, "assignee": {}})

    async def _agents(self, _: web.Request) -> web.Response:
        return web.json_response({"items": self.agents, "next_cursor": None})

    async def _add(self, request: web.Request) -> web.Response:
        agent = {"id": f"agt_{len(self.agents)}", "active": True, **await request.json()}
        self.agents.append(agent)
        return web.json_response(agent, status=201)


@dataclass(frozen=True)
class Sandbox:
    url: str
    slack: slack.Simulation
    telegram: telegram.Simulation
    desk: EmptyDesk
    live: Live


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox where nobody has been yet."""
    desk = EmptyDesk()
    async with TestServer(desk.app()) as api:
        parts = Parts(
            slack.Simulation(), telegram.Simulation(), TraceStore(), Desk(str(api.make_url("/")), "okno_admin")
        )
        app = build(parts)
        async with TestServer(app) as server:
            yield Sandbox(str(server.make_url("/")), parts.slack, parts.telegram, desk, app[LIVE])


@pytest_asyncio.fixture(loop_scope="module")
async def page(sandbox: Sandbox, browser: Browser) -> AsyncIterator[Window]:
    """A window on it with the first people there."""
    async with window(browser, sandbox.url) as opened:
        await expect(opened.slack.get_by_role("textbox", name="Write to #")).to_be_enabled()
        await expect(opened.telegram.get_by_role("textbox", name="Write to Okno")).to_be_enabled()
        yield opened


async def test_a_newcomer_finds_people_and_places_and_can_write_at_once(page: Window, sandbox: Sandbox) -> None:
    await page.say(page.slack, "Hello from Slack")
    await page.say(page.telegram, "Hello from Telegram")
    await expect(page.message(page.slack, "Hello from Slack")).to_be_visible()
    await expect(page.message(page.telegram, "Hello from Telegram")).to_be_visible()
    await expect(page.slack.locator(".who optgroup[label='The desk'] option")).to_have_count(1)
    assert sorted((agent["name"], agent["role"]) for agent in sandbox.desk.agents) == [
        ("Boris Hale", "mentor"),
        ("Dana Roth", "agent"),
        ("Vera Lind", "agent"),
    ]
    assert page.errors == []


async def test_a_second_window_adds_nobody(page: Window, sandbox: Sandbox, browser: Browser) -> None:
    before = len(sandbox.slack.workspace.users), len(sandbox.telegram.world.people), len(sandbox.desk.agents)
    async with window(browser, sandbox.url) as second:
        await expect(second.slack.get_by_role("textbox", name="Write to #")).to_be_enabled()
        await page.say(page.slack, "Seen in both")
        await expect(second.message(second.slack, "Seen in both")).to_be_visible()
    assert before == (len(sandbox.slack.workspace.users), len(sandbox.telegram.world.people), len(sandbox.desk.agents))


async def test_what_people_write_is_text_and_never_markup(page: Window) -> None:
    attack = '<img src=x onerror="document.title=1"><script>document.title=2</script> [x](javascript:alert(1))'
    await page.add_person(page.slack, "<b>Eve</b>")
    await page.say(page.slack, attack)
    await page.add_person(page.telegram, "<i>Eve</i>")
    await page.say(page.telegram, attack)
    for pane in (page.slack, page.telegram):
        message = page.message(pane, "<img src=x")
        await expect(message).to_contain_text('<img src=x onerror="document.title=1"><script>')
        await expect(message.locator("img, script, a, b, i")).to_have_count(0)
    assert await page.page.title() == "Okno sandbox"
    assert page.errors == []


async def test_enter_sends_and_shift_enter_begins_a_line(page: Window) -> None:
    box = page.slack.get_by_role("textbox", name="Write")
    await box.fill("one")
    await box.press("Shift+Enter")
    await box.press_sequentially("two")
    await expect(page.slack.locator(".message")).to_have_count(0)
    await box.press("Enter")
    await expect(page.slack.locator(".message .text")).to_have_text("one\ntwo", use_inner_text=True)
    await expect(box).to_have_value("")
    await box.press("ArrowUp")
    await page.slack.get_by_role("textbox", name="Edit the message").press("Escape")
    await expect(box).to_be_focused()


async def test_an_edit_a_reaction_and_a_deletion_leave_their_marks(page: Window) -> None:
    await page.say(page.slack, "A question")
    message = page.slack.locator(".message").first
    await page.use(message, "Edit")
    await page.slack.get_by_role("textbox", name="Edit the message").fill("A better question")
    await page.slack.get_by_role("button", name="Save").click()
    await expect(message.locator(".text")).to_have_text("A better question edited")
    await page.use(message, "React")
    await page.slack.get_by_role("button", name="React with check mark").click()
    await expect(message.get_by_role("button", name="check mark, 1: Asya Marin")).to_be_visible()
    await page.use(message, "Delete")
    await expect(page.slack.locator(".message .text")).to_have_text("deleted")


async def test_nobody_can_edit_or_delete_what_others_wrote(page: Window) -> None:
    await page.say(page.slack, "Mine")
    message = page.message(page.slack, "Mine")
    await expect(message.get_by_role("button", name="Delete")).to_have_count(1)
    await page.become(page.slack, "Tom Becker")
    await expect(message.get_by_role("button", name="Delete")).to_have_count(0)
    await expect(message.get_by_role("button", name="Edit")).to_have_count(0)
    await expect(message.get_by_role("button", name="Reply in thread")).to_have_count(1)


async def test_replies_stand_under_their_message_until_the_thread_is_left(page: Window) -> None:
    await page.say(page.slack, "A root")
    await page.use(page.message(page.slack, "A root"), "Reply in thread")
    await page.say(page.slack, "A reply")
    await expect(page.slack.locator(".message.reply")).to_contain_text("A reply")
    await page.slack.get_by_role("textbox", name="Write a reply").press("Escape")
    await page.say(page.slack, "Another root")
    await expect(page.slack.locator(".message:not(.reply)")).to_have_count(2)
    await expect(page.slack.locator(".message.reply")).to_have_count(1)


async def test_a_place_with_something_new_says_so_until_it_is_opened(page: Window, sandbox: Sandbox) -> None:
    workspace = sandbox.slack.workspace
    private = workspace.channel("cohort-7")
    place = page.slack.get_by_role("button", name="cohort-7")
    for text in ("one", "two"):
        sandbox.slack.messages.post(private, Draft(author=workspace.user("tom"), text=text))
    await expect(place.locator(".badge")).to_have_text("2")
    await place.click()
    await expect(place.locator(".badge")).to_have_count(0)
    await expect(page.message(page.slack, "two")).to_be_visible()


async def test_an_answer_to_somebody_else_is_announced_with_a_way_to_them(page: Window, sandbox: Sandbox) -> None:
    workspace = sandbox.slack.workspace
    dialog, _ = sandbox.slack.places.open_dialog([workspace.user("tom"), workspace.bot])
    sandbox.slack.messages.post(dialog, Draft(author=workspace.bot, text="Your invoice, Tom"))
    await page.slack.get_by_role("button", name="New for Tom Becker").click()
    await expect(page.message(page.slack, "Your invoice, Tom")).to_be_visible()
    await expect(page.slack.locator(".who option:checked")).to_have_text("Tom Becker")
    await expect(page.slack.get_by_role("button", name="New for")).to_have_count(0)


async def test_a_refused_message_stays_where_it_was_typed_with_the_reason(page: Window) -> None:
    async def refuse(route: Route) -> None:
        await route.fulfill(status=400, body=json.dumps({"ok": False, "error": "is_archived"}))

    await page.page.route("**/control/slack/messages", refuse)
    await page.say(page.slack, "Please take it")
    await expect(page.slack.get_by_role("alert").filter(has_text="The channel is archived.")).to_be_visible()
    await expect(page.slack.get_by_role("textbox", name="Write")).to_have_value("Please take it")
    await page.page.unroute("**/control/slack/messages")
    await page.slack.get_by_role("button", name="Send").click()
    await expect(page.message(page.slack, "Please take it")).to_be_visible()
    await expect(page.slack.get_by_role("textbox", name="Write")).to_have_value("")


async def test_the_chats_work_on_while_the_ticketing_api_is_away(page: Window, sandbox: Sandbox) -> None:
    await expect(page.tickets).to_contain_text("No tickets yet.")
    sandbox.desk.away = True
    await expect(page.tickets.get_by_role("alert").filter(has_text="The desk has gone fishing.")).to_be_visible()
    await page.say(page.slack, "Anybody there?")
    await expect(page.message(page.slack, "Anybody there?")).to_be_visible()
    sandbox.desk.away = False
    await expect(page.tickets).to_contain_text("No tickets yet.")


async def test_it_is_said_that_okno_does_not_take_what_is_written(page: Window, sandbox: Sandbox) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=503)

    ingest = web.Application()
    ingest.add_routes([web.post("/", refuse)])
    async with TestServer(ingest) as closed:
        url = str(closed.make_url("/"))
        sandbox.slack.settings.events_url = url
        sandbox.telegram.set_webhook(sandbox.telegram.bot(), Webhook(url, None))
        await page.say(page.slack, "Do you hear me?")
        await page.say(page.telegram, "And here?")
        await expect(page.slack.get_by_role("alert")).to_contain_text("Okno isn’t taking Slack’s events")
        await expect(page.telegram.get_by_role("alert")).to_contain_text("Okno isn’t taking Telegram’s updates")


async def test_the_stream_may_break_and_nothing_is_missed(page: Window, sandbox: Sandbox) -> None:
    workspace = sandbox.slack.workspace
    await expect(page.page.locator("#live")).to_have_text("Live")
    await sandbox.live.close()  # every stream ends; the browser comes back by itself, a moment later
    sandbox.slack.messages.post(workspace.channel("course-python"), Draft(workspace.user("tom"), "Said meanwhile"))
    await expect(page.message(page.slack, "Said meanwhile")).to_be_visible()
    await expect(page.page.locator("#live")).to_have_text("Live")


async def test_a_channel_without_the_bot_says_that_it_is_not_heard_and_can_be_opened_to_it(
    page: Window, sandbox: Sandbox
) -> None:
    asya = sandbox.slack.workspace.user("asya")
    channel = sandbox.slack.places.add_channel("secret", ChannelType.PRIVATE, [asya])
    await page.slack.get_by_role("button", name="secret").click()
    await expect(page.slack.locator(".place-note")).to_contain_text("nothing said here becomes a ticket")
    await page.slack.get_by_role("button", name="Let it hear").click()
    await expect(page.slack.locator(".place-note")).to_be_hidden()
    assert sandbox.slack.workspace.app_sees(channel)


async def test_long_chats_begin_with_the_latest_and_show_more_when_asked(page: Window, sandbox: Sandbox) -> None:
    leila = next(iter(sandbox.telegram.world.people))
    for number in range(230):
        sandbox.telegram.actions.send(leila, text=f"line {number:03}")
    await expect(page.message(page.telegram, "line 229")).to_be_visible()
    await page.page.reload()
    await expect(page.message(page.telegram, "line 229")).to_be_in_viewport()
    await expect(page.message(page.telegram, "line 000")).to_have_count(0)
    await page.telegram.get_by_role("button", name="Show earlier messages").click()
    await expect(page.message(page.telegram, "line 000")).to_have_count(1)


async def test_a_new_message_out_of_sight_is_announced_with_a_way_to_it(page: Window, sandbox: Sandbox) -> None:
    workspace = sandbox.slack.workspace
    channel, tom = workspace.channel("course-python"), workspace.user("tom")
    root = sandbox.slack.messages.post(channel, Draft(tom, "An old question"))
    for number in range(60):
        sandbox.slack.messages.post(channel, Draft(tom, f"later {number}"))
    await expect(page.message(page.slack, "later 59")).to_be_in_viewport()
    sandbox.slack.messages.post(channel, Draft(tom, "At last an answer", thread_ts=root.ts))
    await page.slack.get_by_role("button", name="New from Tom Becker: At last an answer").click()
    await expect(page.message(page.slack, "At last an answer")).to_be_in_viewport()


async def test_a_narrow_window_shows_one_pane_with_marks_on_the_others(sandbox: Sandbox, browser: Browser) -> None:
    async with window(browser, sandbox.url, narrow=True) as narrow:
        await expect(narrow.slack.get_by_role("textbox", name="Write to #")).to_be_enabled()
        await expect(narrow.telegram).to_be_hidden()
        await expect(narrow.tickets).to_be_hidden()
        sandbox.telegram.actions.send(next(iter(sandbox.telegram.world.people)), text="Hello over there")
        tab = narrow.page.get_by_role("navigation", name="Panes").get_by_role("button", name="Telegram")
        await expect(tab.locator(".badge")).to_have_count(1)
        await tab.click()
        await expect(narrow.message(narrow.telegram, "Hello over there")).to_be_visible()
        await expect(narrow.slack).to_be_hidden()
        assert await narrow.page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


async def test_nothing_sticks_out_of_the_window_whatever_is_written(page: Window) -> None:
    await page.add_place(page.slack, "a-very-long-name-" * 4, "Public channel")
    await page.say(page.slack, "https://example.org/" + "x" * 400 + "\n```" + "y" * 400 + "```")
    await expect(page.slack.locator(".message pre")).to_be_visible()
    wide = "[document.documentElement, ...document.querySelectorAll('.pane, .scroller')]"
    assert await page.page.evaluate(f"{wide}.every((one) => one.scrollWidth <= one.clientWidth + 1)")


async def test_every_control_has_a_name(page: Window) -> None:
    await page.say(page.slack, "A message with its tools")
    await expect(page.message(page.slack, "A message")).to_be_visible()
    unnamed = await page.page.evaluate(
        """[...document.querySelectorAll("button, select, textarea, input")].filter(
             (one) => one.checkVisibility() && !one.getAttribute("aria-label") && !one.textContent.trim()).length"""
    )
    assert unnamed == 0
