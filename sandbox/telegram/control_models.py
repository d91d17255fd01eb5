"""What the control API takes, so that a tester's typing mistake is refused rather than ignored.

Invariant: unknown fields are refused; every field's meaning is in its model.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.telegram.faults import FaultKind


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ForBot(Request):
    bot_id: int | None = None
    """Which bot, where there are several; the first by default."""


class NewUser(Request):
    first_name: str = Field(min_length=1)
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = "en"
    id: int | None = Field(default=None, gt=0)


class ChangedUser(Request):
    """Fields left out stay as they are."""

    first_name: str | None = None
    last_name: str | None = None
    username: str | None = None
    deactivated: bool | None = None


class NewChat(ForBot):
    """`private`: the dialog of `user_id` with the bot; `start` presses Start (a payload or "").
    Otherwise a group made by `user_id` with `members`; `bot_status` is the bot's place in it.
    """

    type: Literal["private", "group", "supergroup"] = "private"
    user_id: int
    start: str | None = Field(default=None, max_length=64, pattern="^[A-Za-z0-9_-]*$")
    title: str | None = None
    id: int | None = Field(default=None, lt=0)
    is_forum: bool = False
    members: list[int] = []
    bot_status: Literal["administrator", "member", "left"] = "member"


class Member(ForBot):
    """`user_id` may be a bot's; `by` is who changes the membership (the creator by default)."""

    user_id: int
    status: Literal["creator", "administrator", "member", "left", "kicked"]
    by: int | None = None


class NewTopic(ForBot):
    name: str = Field(min_length=1, max_length=128)
    user_id: int


class ChangedTopic(ForBot):
    user_id: int
    name: str | None = Field(default=None, min_length=1, max_length=128)
    closed: bool | None = None
    deleted: bool | None = None


class File(Request):
    file_name: str = "file.txt"
    mime_type: str = "text/plain"
    content_base64: str = ""


class Contact(Request):
    phone_number: str
    first_name: str
    last_name: str | None = None
    user_id: int | None = None


class Location(Request):
    latitude: float
    longitude: float


class NewMessage(ForBot):
    """A person's message; without `chat_id` to their dialog with the bot. `at` dates it (seconds since 1970)."""

    user_id: int
    chat_id: int | None = None
    text: str | None = None
    caption: str | None = None
    reply_to: int | None = None
    topic: int | None = None
    at: float | None = None
    document: File | None = None
    photo: File | None = None
    media_group_id: str | None = None
    forward_from: int | None = None
    """The person whose message is forwarded."""
    contact: Contact | None = None
    location: Location | None = None


class NewMessages(Request):
    messages: list[NewMessage]


class ChangedMessage(ForBot):
    text: str
    at: float | None = None


class Reactions(ForBot):
    """All of the person's reactions to the message from now on."""

    user_id: int
    emoji: list[str]
    at: float | None = None


class Press(ForBot):
    user_id: int
    data: str


class Block(ForBot):
    blocked: bool = True


class Migrate(Request):
    user_id: int


class Limits(Request):
    """`enabled: false` switches all limits off; null switches one off."""

    enabled: bool = True
    per_chat: int | None = 1
    per_chat_seconds: float = 1.0
    per_group: int | None = 20
    per_group_seconds: float = 60.0
    total: int | None = 30
    total_seconds: float = 1.0


class ClockScale(Request):
    scale: float = Field(gt=0)


class NewFault(Request):
    """See `faults.FaultKind`; `target` is a method, `*` for any method, or `updates`."""

    target: str
    kind: FaultKind
    count: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, ge=0, le=1)
    seed: int = 0
    seconds: float = Field(default=0.0, ge=0)
    retry_after: int = Field(default=1, ge=1)
    status: int = Field(default=500, ge=500, le=599)
    chat_id: int | None = None
    update_kind: str | None = None


class WaitIdle(Request):
    timeout: float = Field(default=10.0, ge=0)
