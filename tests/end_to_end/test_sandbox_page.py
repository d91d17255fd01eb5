"""The whole loop played in one page, in a real Chromium on the real stack: type as a customer, answer as an agent."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, expect

from sandbox.stack.stack import Stack
from tests.browser import PATIENCE, Window, chromium, window

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]
expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests here; each has a window and a profile of its own."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(stack: Stack, browser: Browser) -> AsyncIterator[Window]:
    """The page of the running stack; nothing may go wrong in it."""
    async with window(browser, stack.info.sandbox.url) as opened:
        yield opened
        assert opened.errors == []


@pytest.fixture
def word() -> str:
    """Tells this test's people, places and words from those of others in the same stack."""
    return secrets.token_hex(4)


def row(page: Window, text: str) -> Locator:
    """The ticket in the list whose subject contains this text."""
    return page.tickets.locator(".ticket-row").filter(has_text=text)


async def in_channel(page: Window, word: str) -> None:
    """Be a new student in a new channel that has a new mentor, too."""
    await page.add_person(page.slack, f"Boris {word}", "On the desk: mentor")
    await page.add_person(page.slack, f"Asya {word}")
    await page.add_place(page.slack, f"course-{word}", "Public channel")


async def test_a_student_and_an_agent_talk_through_the_page(page: Window, word: str) -> None:
    await in_channel(page, word)
    question = f"Lesson 4 <b>won't</b> open & I paid {word}"
    await page.say(page.slack, question)
    asked = page.message(page.slack, question)
    await expect(asked).to_be_visible()

    await expect(row(page, question)).to_contain_text("New")
    await row(page, question).click()
    await expect(page.message(page.tickets, question)).to_be_visible()
    await expect(page.tickets.get_by_label("Status")).to_have_value("new")

    await page.answer("We are **looking** at it.")
    answer = page.message(page.slack, "We are looking at it.")
    await expect(answer).to_contain_text("Okno")
    await expect(answer).to_have_class("message reply bot")
    await expect(answer.locator("strong")).to_have_text("looking")
    await expect(page.message(page.tickets, "We are looking").locator(".delivery")).to_contain_text("delivered")
    await expect(page.tickets.get_by_label("Status")).to_have_value("pending")

    await page.use(asked, "Reply in thread")
    await page.say(page.slack, f"The order is 7781 {word}")
    await expect(page.message(page.tickets, f"The order is 7781 {word}")).to_be_visible()
    await expect(page.tickets.get_by_label("Status")).to_have_value("open")


async def test_a_mentor_asked_from_the_ticket_answers_in_the_thread(page: Window, word: str) -> None:
    await in_channel(page, word)
    question = f"What is a decorator? {word}"
    await page.say(page.slack, question)
    await row(page, question).click()

    await page.tickets.get_by_role("button", name=f"@Boris {word}").click()
    await page.answer("could you explain?")
    await expect(page.message(page.slack, "could you explain?").locator(".mention")).to_contain_text("@boris")
    await expect(page.tickets.locator(".pings")).to_contain_text(f"Boris {word} was asked")
    await expect(page.tickets.locator(".pings")).to_contain_text("no answer yet")

    await page.become(page.slack, f"Boris {word}")
    await page.use(page.message(page.slack, question), "Reply in thread")
    await page.say(page.slack, f"A function that wraps another one {word}")
    explained = page.message(page.tickets, f"A function that wraps another one {word}")
    await expect(explained).to_contain_text("written in the chat")
    await expect(page.tickets.locator(".pings")).to_contain_text("answered after")
    await expect(page.message(page.slack, f"A function that wraps another one {word}")).to_have_count(1)


async def test_edits_reactions_and_deletions_of_the_student_are_seen_in_the_ticket(page: Window, word: str) -> None:
    await in_channel(page, word)
    question = f"Where is lesson one {word}"
    await page.say(page.slack, question)
    await row(page, question).click()
    asked = page.slack.locator(".message").first

    await page.use(asked, "Edit")
    editor = page.slack.get_by_role("textbox", name="Edit the message")
    await editor.fill(f"Where is lesson two {word}")
    await editor.press("Enter")
    await expect(asked).to_contain_text("edited")
    seen = page.tickets.locator(".message").first
    await expect(seen.locator(".text")).to_contain_text(f"Where is lesson two {word}")
    await seen.get_by_text("1 former text").click()
    await expect(seen.locator(".revisions li")).to_have_text(question)

    await page.use(asked, "React")
    await page.slack.get_by_role("button", name="React with eyes").click()
    await expect(asked.get_by_role("button", name="eyes, 1")).to_have_attribute("aria-pressed", "true")
    await expect(seen.get_by_role("img", name="eyes, 1")).to_be_visible()
    await asked.get_by_role("button", name="eyes, 1").click()
    await expect(seen.get_by_role("img", name="eyes, 1")).to_have_count(0)

    await page.use(asked, "Delete")
    await expect(page.slack.locator(".message.deleted")).to_contain_text("deleted")
    await expect(seen.locator(".mark")).to_have_text("deleted")
    await expect(seen.locator("s")).to_contain_text(f"Where is lesson two {word}")
    await expect(page.tickets.get_by_label("Status")).to_have_value("comment_deleted")

    await page.tickets.get_by_role("button", name="History").click()
    await expect(page.tickets.locator(".history")).to_contain_text("Comment deleted")


async def test_an_agent_edits_and_deletes_a_reply_and_the_thread_follows(page: Window, word: str) -> None:
    await in_channel(page, word)
    await page.say(page.slack, f"When is the exam? {word}")
    await row(page, f"When is the exam? {word}").click()
    await page.answer(f"On Monday {word}")
    posted = page.slack.locator(".message.reply.bot")
    await expect(posted).to_contain_text(f"On Monday {word}")
    reply = page.tickets.locator(".message.by-agent")
    await expect(reply.locator(".delivery")).to_contain_text("delivered")

    await page.use(reply, "Edit the reply")
    editor = page.tickets.get_by_role("textbox", name="Edit the reply")
    await editor.fill(f"On Tuesday {word}")
    await editor.press("Enter")
    await expect(posted).to_contain_text(f"On Tuesday {word}")

    await expect(reply.locator(".delivery")).to_contain_text("edit: delivered")
    await page.use(reply, "Delete the reply")
    await expect(posted.locator(".text")).to_have_text("deleted")
    await expect(reply.locator(".mark")).to_have_text("deleted")


async def test_an_entrepreneur_and_a_specialist_talk_through_the_page(page: Window, word: str) -> None:
    await page.add_person(page.telegram, f"Leila {word}")
    question = f"How do I find an investor? {word}"
    await page.say(page.telegram, question)
    await expect(row(page, question)).to_contain_text(f"Leila {word}")
    await row(page, question).click()

    await page.say(page.telegram, f"For a bakery {word}")
    await expect(page.message(page.tickets, f"For a bakery {word}")).to_be_visible()
    await page.answer("Come to the *open evening*.")
    answer = page.message(page.telegram, "Come to the open evening.")
    await expect(answer).to_contain_text("Okno")
    await expect(answer.locator("em")).to_have_text("open evening")
    await expect(page.message(page.tickets, "Come to the").locator(".delivery")).to_contain_text("delivered")

    await page.tickets.get_by_role("button", name="Close", exact=True).click()
    await expect(page.tickets.get_by_label("Status")).to_have_value("closed")
    await page.say(page.telegram, f"Thank you {word}")
    await expect(page.message(page.tickets, f"Thank you {word}")).to_be_visible()
    await expect(page.tickets.get_by_label("Status")).to_have_value("open")


async def test_edits_and_reactions_in_a_telegram_dialog_are_seen_in_the_ticket(page: Window, word: str) -> None:
    await page.add_person(page.telegram, f"Marco {word}")
    await page.say(page.telegram, f"Which bank {word}")
    await row(page, f"Which bank {word}").click()
    said = page.telegram.locator(".message").first
    seen = page.tickets.locator(".message").first

    await page.use(said, "Edit")
    editor = page.telegram.get_by_role("textbox", name="Edit the message")
    await editor.fill(f"Which bank, please {word}")
    await editor.press("Enter")
    await expect(said).to_contain_text("edited")
    await expect(seen.locator(".text")).to_contain_text(f"Which bank, please {word}")

    await page.use(said, "React")
    await page.telegram.get_by_role("button", name="React with heart").click()
    await expect(seen.get_by_role("img", name="heart, 1")).to_be_visible()

    await page.use(said, "Delete")
    await expect(said).to_contain_text("deleted")
    await expect(page.page.locator("#notices")).to_contain_text("Telegram tells no bot of a deletion")
    await expect(seen.locator(".mark")).to_have_text("edited")


async def test_what_agents_set_is_kept_and_a_note_stays_in_the_ticket(page: Window, word: str) -> None:
    await in_channel(page, word)
    question = f"Invoice please {word}"
    await page.say(page.slack, question)
    await row(page, question).click()

    await page.tickets.get_by_label("Priority").select_option(label="High")
    await page.tickets.get_by_label("Assignee").select_option(label=f"Boris {word}")
    await page.tickets.get_by_role("button", name="Add tag").click()
    dialog = page.page.get_by_role("dialog")
    await dialog.get_by_label("Tag").fill("billing")
    await dialog.get_by_role("button", name="Add").click()
    await expect(page.tickets.locator(".tags")).to_contain_text("billing")

    await page.tickets.get_by_role("button", name="Note").click()
    note = page.tickets.get_by_role("textbox", name="Note for the desk")
    await note.fill(f"He is a sponsor {word}")
    await note.press("Enter")
    await expect(page.tickets.locator(".message.note")).to_contain_text("note for the desk")

    await page.tickets.get_by_role("button", name="Solve").click()
    await expect(page.tickets.get_by_label("Status")).to_have_value("solved")
    await page.tickets.get_by_role("button", name="Back to the list").click()
    await expect(row(page, question)).to_contain_text("Solved")
    await expect(row(page, question)).to_contain_text(f"Boris {word}")
    await expect(page.slack.locator(".message")).to_have_count(1)

    await page.page.reload()
    await row(page, question).click()
    await expect(page.tickets.get_by_label("Priority")).to_have_value("high")
    await expect(page.tickets.locator(".tags")).to_contain_text("billing")
