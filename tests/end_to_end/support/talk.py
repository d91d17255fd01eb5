"""One conversation of a test: what was written by whom, edited, deleted and answered, as the truth to check by."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contracts import keys
from sandbox.scenarios.clients import Refused, Written
from tests.end_to_end.support.waiting import until, until_none

if TYPE_CHECKING:
    from tests.end_to_end.support.town import Town

Json = dict[str, Any]


@dataclass(slots=True)
class Line:
    """A message of a person. `before` are former texts, the oldest first."""

    key: str
    id: str
    author: str
    text: str
    before: list[str] = field(default_factory=list)
    deleted: bool = False


@dataclass(slots=True)
class Answer:
    """A reply through the API: `id` is known once the API has accepted it."""

    id: str
    text: str
    state: str = "sent"
    copies: int = 1


class Talk:
    """A Slack thread or a Telegram dialog: one ticket. Lines and answers stand in the order of writing."""

    def __init__(self, town: Town, platform: str, channel: str, customer: str, name: str) -> None:
        self.town = town
        self.platform = platform
        self.channel = channel
        self.customer = customer
        self.name = name
        self.root: str | None = None
        self.lines: list[Line] = []
        self.answers: list[Answer] = []
        self.ticket_id: str | None = None

    @property
    def channel_key(self) -> str:
        if self.platform == "slack":
            return keys.slack_channel(self.channel)
        return keys.telegram_channel(self.town.clients.doors.bot_id, self.channel)

    # --- the customer ----------------------------------------------------------------------------------------------

    async def says(self, text: str | None = None, *, by: str | None = None) -> Line:
        """Somebody (the customer) writes; the first message opens the talk, later ones go into its thread."""
        text = text if text is not None else f"message {len(self.lines) + 1} of {self.name}"
        author = by or self.customer
        clients = self.town.clients
        if self.platform == "slack":
            body: Json = {"channel": self.channel, "user": author, "text": text}
            if self.root is not None:
                body["thread_ts"] = self.root
            number = (await clients.slack("POST", "/messages", body))["ts"]
            self.root = self.root or number
        else:
            sent = await clients.telegram("POST", "/messages", {"user_id": int(author), "text": text})
            number = str(sent["message_id"])
        key = Written(self.platform, self.channel, number).key(clients.doors.bot_id)
        line = Line(key, number, f"{self.platform}:{author}", text)
        self.lines.append(line)
        return line

    async def edits(self, line: Line, text: str) -> None:
        if self.platform == "slack":
            await self.town.clients.slack("PATCH", f"/messages/{self.channel}/{line.id}", {"text": text})
        else:
            path = f"/chats/{self.channel}/messages/{line.id}"
            await self.town.clients.telegram("PATCH", path, {"text": text})
        line.before.append(line.text)
        line.text = text

    async def deletes(self, line: Line) -> None:
        """Slack only: Telegram tells bots of no deletion."""
        await self.town.clients.slack("DELETE", f"/messages/{self.channel}/{line.id}")
        line.deleted = True

    # --- the desk --------------------------------------------------------------------------------------------------

    async def ticket(self) -> str:
        """The id of the ticket that has the first message; waits for it."""

        async def find() -> str | None:
            try:
                return await self.town.ticket_of(self.channel_key, self.lines[0].key)
            except Refused:  # the API may be what was killed
                return None

        if self.ticket_id is None:
            self.ticket_id = await until(find, what=f"a ticket of {self.lines[0].key}")
        return self.ticket_id

    async def in_ticket(self) -> None:
        """Wait until every line written so far is in the ticket."""
        lines = list(self.lines)
        ticket = await self.ticket()

        async def missing() -> str | None:
            shown = {(one["source"] or {}).get("message_key") for one in await self.town.messages(ticket)}
            return next((line.key for line in lines if line.key not in shown), None)

        await until_none(missing, what=f"all lines of {self.name} in the ticket")

    async def answered(self, text: str | None = None) -> Answer:
        """An agent replies through the API; with one Idempotency-Key again and again until the API has answered."""
        text = text if text is not None else f"answer {len(self.answers) + 1} to {self.name}"
        path = f"/tickets/{await self.ticket()}/replies"
        idempotency_key = uuid.uuid4().hex

        async def send() -> Json | None:
            try:
                return await self.town.clients.api("POST", path, {"text": text}, **{"Idempotency-Key": idempotency_key})
            except Refused:
                return None

        sent = await until(send, what="the API takes a reply")
        answer = Answer(sent["id"], text)
        self.answers.append(answer)
        return answer

    async def delivery(self, answer: Answer) -> Json:
        """The delivery of an answer as the API shows it now."""
        shown = await self.town.messages(await self.ticket())
        return dict(next(one["delivery"] for one in shown if one["id"] == answer.id))

    async def chat(self) -> list[str]:
        """The texts of our bot in the thread or dialog, in the chat's order."""
        clients = self.town.clients
        if self.platform == "slack":
            listed = await clients.slack("GET", f"/channels/{self.channel}/messages?thread_ts={self.root}")
            bot = clients.doors.bot_user_id
            return [one["plain"] for one in listed["messages"] if one["user"] == bot and not one.get("deleted")]
        listed = await clients.telegram("GET", f"/chats/{self.channel}/messages")
        return [one["text"] for one in listed["messages"] if one["from"]["is_bot"]]
