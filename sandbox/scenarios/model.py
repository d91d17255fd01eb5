"""What a scenario file may say. A misspelt word is refused with its place, before anything is played."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

FOLDER = Path(__file__).parent


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Person(Part):
    """Somebody in a chat (`platform`), of the desk (`role`), or both: a mentor who answers in the thread."""

    name: str
    platform: Literal["slack", "telegram"] | None = None
    role: Literal["agent", "mentor", "coordinator", "lead"] | None = None


class Post(Part):
    """A person writes: in a Slack channel or in a thread there, or in their dialog with the Telegram bot.

    `later` is how much later than now the platform says it was written (`73h`), so that nobody waits for days.
    """

    by: str
    text: str
    channel: str | None = None
    thread: str | None = Field(default=None, description="the saved message that roots the thread")
    later: str | None = None
    save: str | None = None


class Edit(Part):
    message: str
    text: str


class Reply(Part):
    """An agent answers a ticket through the API, mentioning agents by name."""

    by: str
    ticket: str
    text: str
    mention: tuple[str, ...] = ()


class Action(Part):
    """Exactly one of these."""

    post: Post | None = None
    edit: Edit | None = None
    delete: str | None = Field(default=None, description="a saved message")
    reply: Reply | None = None
    close: str | None = Field(default=None, description="a saved ticket")

    @model_validator(mode="after")
    def _one(self) -> "Action":
        if len(self.model_fields_set) != 1:
            raise ValueError("do names exactly one action")
        return self


class SeeTicket(Part):
    """The ticket that a saved message is in, and how it looks."""

    of: str
    save: str | None = Field(default=None, description="a ticket not seen before gets this name")
    same_as: str | None = None
    status: str | None = None
    requester: str | None = None
    messages: int | None = Field(default=None, description="messages in the ticket, notes not counted")
    follows: str | None = None
    revisions: tuple[str, ...] | None = Field(default=None, description="former texts of the message")
    deleted: bool | None = None
    author_kind: str | None = None
    answered_ping: str | None = Field(default=None, description="an agent whose ping has an answer's time")


class SeeChat(Part):
    """What stands in a thread (by its root's saved name) or in a person's dialog."""

    thread: str | None = None
    dialog: str | None = None
    text: str | None = Field(default=None, description="the last message of our bot contains it")
    mentions: str | None = Field(default=None, description="the last message of our bot mentions this person")
    count: int | None = Field(default=None, description="messages in the thread, its root included")


class See(Part):
    ticket: SeeTicket | None = None
    chat: SeeChat | None = None


class Step(Part):
    name: str
    do: Action
    see: See


class Scenario(Part):
    title: str
    people: dict[str, Person]
    channels: dict[str, str] = Field(default_factory=dict, description="Slack channels to make: short name -> title")
    policy: dict[str, Any] | None = None
    steps: tuple[Step, ...]


def load(name: str) -> Scenario:
    """The scenario `name` of this folder. Raises pydantic's ValidationError with the place of each fault."""
    return Scenario.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


STORIES = ("university", "club")
