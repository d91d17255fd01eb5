"""`desk.policy.v1`: the rules by which the router decides, published whole; compacted under one key.

Who applies a document (`to_apply`) is told what is wrong with it: an unknown field, so that a misspelt rule is not
silently ignored, a word that can't be one, an answer that never fires. Who reads one that was applied takes it: an
older version had other rules, a later one has more fields. Those do nothing and are kept: readers store what is read.
"""

from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from contracts import labels
from contracts.base import RecordModel
from contracts.chat import ChannelType
from contracts.durations import Duration
from contracts.keys import Platform
from contracts.ticket_events_v1 import Priority


class Kept(BaseModel):
    """Keeps the fields of later versions (`model_extra`)."""

    model_config = ConfigDict(frozen=True, extra="allow")


_APPLYING = "applying"


def _when_applied(check: Callable[[str], str]) -> AfterValidator:
    def checked(text: str, info: ValidationInfo) -> str:
        return check(text) if info.context == _APPLYING else text

    return AfterValidator(checked)


def _text(text: str) -> str:
    labels.plain(text.translate({ord(character): None for character in "\t\n\r"}))
    return text


Label = Annotated[str, _when_applied(labels.label)]
Plain = Annotated[str, _when_applied(labels.plain)]
Text = Annotated[str, _when_applied(_text)]


class OpenOn(StrEnum):
    """What opens a ticket in a channel. In dialogs `mention` means `message`: all said there is meant for us."""

    MESSAGE = "message"
    MENTION = "mention"
    REACTION = "reaction"
    KEYWORD = "keyword"
    NEVER = "never"


class Rules(Kept):
    """What applies in a channel once the matching overrides are laid over the defaults."""

    open_on: OpenOn = OpenOn.MESSAGE
    keywords: tuple[Plain, ...] = Field(default=(), description="words that open a ticket where open_on is keyword")
    continue_within: Duration = timedelta(minutes=3)
    reopen_within: Duration = timedelta(hours=72)
    queue: Label = Field(default="support", min_length=1)
    priority: Priority = Priority.NORMAL
    tags: tuple[Label, ...] = ()
    bots: tuple[Plain, ...] = Field(
        default=(), description="other bots whose messages count as a customer's: person keys or Slack bot ids"
    )


class Match(Kept):
    """Which channels an override is for. All given fields must match; patterns are shell-like (`course-*`)."""

    platform: Platform | None = None
    workspace: Plain | None = None
    channel: Plain | None = Field(default=None, description="pattern for the channel key")
    name: Plain | None = Field(default=None, description="pattern for the channel's name")
    type: ChannelType | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> "Match":
        if not self.model_fields_set:
            raise ValueError("match names nothing; give platform, workspace, channel, name or type, or use defaults")
        return self


class Override(Kept):
    """Rules for some channels. Only the fields that are given replace what came before; later overrides win."""

    match: Match
    open_on: OpenOn | None = None
    keywords: tuple[Plain, ...] | None = None
    continue_within: Duration | None = None
    reopen_within: Duration | None = None
    queue: Label | None = Field(default=None, min_length=1)
    priority: Priority | None = None
    tags: tuple[Label, ...] | None = None
    bots: tuple[Plain, ...] | None = None


class AutomaticAnswer(Kept):
    """An answer fired by a trigger word or a command, with or without a ticket.

    `words` are found as whole words in any case; `commands` are given without the slash.
    """

    name: str = Field(min_length=1, pattern=r"^[a-z0-9_-]+$")
    text: Text = Field(min_length=1, description="CommonMark")
    words: tuple[Plain, ...] = ()
    commands: tuple[Plain, ...] = ()
    opens_ticket: bool = True
    match: Match | None = None
    description: Plain | None = Field(default=None, max_length=256, description="shown in the bot's command list")

    @model_validator(mode="after")
    def _fires(self, info: ValidationInfo) -> "AutomaticAnswer":
        if info.context == _APPLYING and not self.words and not self.commands:
            raise ValueError(f"answer {self.name!r} never fires: give it words or commands")
        return self


class Policy(Kept):
    """The policy document, as written in YAML."""

    defaults: Rules = Rules()
    overrides: tuple[Override, ...] = ()
    answers: tuple[AutomaticAnswer, ...] = ()

    @classmethod
    def to_apply(cls, document: Any) -> "Policy":
        """A document that somebody wants to apply. Raises ValidationError."""
        return cls.model_validate(document, context=_APPLYING, extra="forbid")

    @model_validator(mode="after")
    def _names_differ(self) -> "Policy":
        names = [answer.name for answer in self.answers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two answers are named {', '.join(twice)}; names tell deliveries apart")
        return self


class PolicyPublished(RecordModel):
    """A version of the policy took effect. Version 0 is the built-in default and never published."""

    TYPE: ClassVar[str] = "okno.desk.policy_published.v1"
    version: int
    document: Policy
    applied_at: AwareDatetime
    applied_by: str

    @property
    def record_id(self) -> str:
        return f"policy:{self.version}"

    @property
    def record_key(self) -> str:
        return "policy"
