"""What the API takes and gives. Requests are strict: an unknown field is refused, not ignored."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, model_validator

from contracts.chat import Attachment
from contracts.desk_policy_v1 import Policy
from contracts.desk_staff_v1 import StaffRole
from contracts.keys import InvalidKey, PersonKey, platform_of
from contracts.labels import LONGEST, label
from contracts.ticket_events_v1 import Ping, Priority, Status
from services.ticketing.domain.ticket import AuthorKind, printable
from services.ticketing.store.ticket_list import Sort
from services.ticketing.tokens import Scope

T = TypeVar("T")
MOST_FIELDS = 100


class Given(BaseModel):
    """A request's body or query."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few(cls, given: Any) -> Any:
        """Each unknown field is an error of its own, and a body has room for a hundred thousand."""
        if isinstance(given, dict) and len(given) > MOST_FIELDS:
            raise ValueError(f"has {len(given)} fields, more than there are")
        return given


def _words(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return printable(text)


def _name(text: str) -> str:
    return label(text.strip())


def _person(key: str) -> PersonKey:
    try:
        platform_of(key)
    except InvalidKey as error:
        raise ValueError(str(error)) from None
    if len(key) > 200 or not key.isprintable() or key.count(":") != 1:
        raise ValueError("must be a person key, such as slack:U012 or telegram:4711")
    return PersonKey(key)


Name = Annotated[str, Field(min_length=1, max_length=LONGEST), AfterValidator(_name)]
Text = Annotated[str, Field(max_length=100_000), AfterValidator(_words)]
Person = Annotated[str, AfterValidator(_person)]


class NoQuery(Given):
    """For requests that take no query."""


class PageQuery(Given):
    limit: int = Field(50, ge=1, le=200, description="Most items of a page.")
    cursor: str | None = Field(None, description="`next_cursor` of the page before.")


class TicketFilterQuery(Given):
    """All given filters must hold."""

    status: list[Status] = Field([], description="Any of these; may be given several times.")
    queue: str | None = None
    assignee: str | None = Field(None, description="An agent's id, or `none` for tickets that nobody has.")
    platform: Literal["slack", "telegram"] | None = None
    channel: str | None = Field(None, description="A channel key.", examples=["slack:C034"])
    requester: str | None = Field(None, description="A contact's id or a person key.", examples=["telegram:4711"])
    updated_after: AwareDatetime | None = Field(None, description="Changed later than this.")


class TicketQuery(TicketFilterQuery, PageQuery):
    sort: Sort = Field(
        Sort.NEWEST,
        description="`-number` (newest first) or `number`: every ticket exactly once, whatever changes meanwhile. "
        "`updated_at` (with `updated_after`): follow changes; a ticket that changes meanwhile comes again. "
        "`-updated_at`: latest change first.",
    )
    counts: bool = Field(False, description="Also count the filtered tickets by status and assignee.")


class TicketPatch(Given):
    """Only the given fields change; `assignee` null takes the ticket from its agent."""

    status: Status | None = Field(None, description="See docs/tickets.md for what may follow what.")
    priority: Priority | None = None
    queue: Name | None = None
    assignee: str | None = Field(None, description="An agent's id, or null.", examples=["agt_5f2c8e0a9b1d4c37"])
    tags: list[Name] | None = Field(None, max_length=50)


class ReplyBody(Given):
    text: Text = Field(description="CommonMark.", examples=["Your access is **open** again."])
    mentions: list[str] = Field(
        [], max_length=20, description="Ids of agents to mention in the chat and to wait for.", examples=[[]]
    )
    conversation_id: str | None = Field(None, description="Default: the ticket's latest conversation.")
    agent_id: str | None = Field(None, description="Write as this agent (admin tokens only).")


class ReplyPatch(Given):
    text: Text = Field(description="The new text, CommonMark.")


class NoteBody(Given):
    text: Text
    agent_id: str | None = Field(None, description="Write as this agent (admin tokens only).")


class AgentBody(Given):
    name: Name
    role: StaffRole = StaffRole.AGENT
    identities: list[Person] = Field([], max_length=50, examples=[["slack:U012", "telegram:4711"]])


class AgentPatch(Given):
    """Only the given fields change. `active` false makes the identities customers' again."""

    name: Name | None = None
    role: StaffRole | None = None
    identities: list[Person] | None = Field(None, max_length=50, description="Replaces all identities.")
    active: bool | None = None


class SomeDeadLetters(Given):
    """Which dead letters: all that is given must hold."""

    topic: str | None = Field(None, description="The original record's topic.", examples=["ticket.commands.v1"])
    consumer: str | None = Field(None, description="Who put it aside.", examples=["ticketing"])
    cause: str | None = Field(None, examples=["bad_value"])
    key: str | None = Field(None, description="The original record's key.", examples=["slack:C034"])
    since: AwareDatetime | None = Field(None, description="Put aside then or later.")
    until: AwareDatetime | None = Field(None, description="Put aside earlier.")


class DeadLetterQuery(SomeDeadLetters, PageQuery):
    state: Literal["waiting", "replayed", "discarded"] | None = None


class BulkReplayBody(SomeDeadLetters):
    limit: int = Field(100, ge=1, le=1000, description="At most so many, the oldest first.")
    force: bool = Field(False, description="Also what is out of its turn, or older than 30 days.")


class BulkDiscardBody(SomeDeadLetters):
    limit: int = Field(100, ge=1, le=1000, description="At most so many, the oldest first.")
    reason: Annotated[str, Field(max_length=1000), AfterValidator(_words)]


class ReplayBody(Given):
    original: bool = Field(False, description="The record as it was, though it was corrected.")
    force: bool = Field(False, description="Even out of its turn, or when it is older than 30 days.")


class EditBody(Given):
    value: dict[str, Any] = Field(description="The whole corrected value.")
    type: str | None = Field(None, description="The record's type where its headers don't tell it.")


class DiscardBody(Given):
    reason: Annotated[str, Field(max_length=1000), AfterValidator(_words)]


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_cursor: str | None = Field(None, description="For the next page; null at the end.")


class RequesterJson(BaseModel):
    id: str = Field(description="The contact.")
    key: str = Field(description="The identity under which they wrote.", examples=["slack:U012"])
    name: str | None


class ChannelJson(BaseModel):
    key: str
    name: str | None


class ConversationJson(BaseModel):
    id: str
    place_key: str
    platform: str
    channel_key: str
    thread: str | None


class TicketJson(BaseModel):
    id: str
    number: int = Field(description="The number that people use.")
    subject: str
    status: Status
    priority: Priority
    queue: str
    assignee: str | None = Field(description="The agent's id.")
    assignee_name: str | None
    tags: list[str]
    requester: RequesterJson
    platform: str | None
    channel: ChannelJson | None
    version: int = Field(description="Grows by one with every change.")
    revision: int = Field(description="Counts changes of the fields that agents edit: the ETag.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    first_response_at: AwareDatetime | None
    solved_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    last_customer_message_at: AwareDatetime | None
    last_desk_message_at: AwareDatetime | None
    follows: str | None = Field(description="The ticket that this one continues.")
    pings: list[Ping]
    conversations: list[ConversationJson]
    trace_id: str | None = Field(description="The journey of the customer's latest message.")


class CountsJson(BaseModel):
    status: dict[str, int]
    assignee: dict[str, int] = Field(description="By agent's id; tickets that nobody has under `none`.")


class TicketPage(Page[TicketJson]):
    counts: CountsJson | None = None


class AuthorJson(BaseModel):
    kind: AuthorKind
    name: str | None
    key: str | None = Field(description="The chat identity, if it was written in a chat.")
    agent_id: str | None


class SourceJson(BaseModel):
    platform: str
    channel_key: str
    thread: str | None
    message_key: str | None = Field(description="Null until a reply is posted.")
    permalink: str | None


class DeliveryJson(BaseModel):
    state: str = Field(
        description="Of the post.", examples=["queued", "sending", "sent", "unknown", "failed", "cancelled"]
    )
    operation: str = Field(description="What was heard of last: post, edit or delete.")
    operation_state: str = Field(description="Of that operation; `error` is its error.")
    attempts: int
    error: str | None = Field(description="What happened and what to do.")
    error_code: str | None
    message_key: str | None
    message_keys: list[str] = Field(description="All parts of a long reply.")


class ReactionJson(BaseModel):
    name: str
    person_key: str
    at: AwareDatetime
    author_kind: AuthorKind | None = Field(description="Null where it was set before Okno recorded that.")
    agent_id: str | None


class RevisionJson(BaseModel):
    """A former content of a message and when it was replaced."""

    text: str
    replaced_at: AwareDatetime


class MessageJson(BaseModel):
    id: str
    ticket_id: str
    conversation_id: str | None
    kind: str = Field(examples=["chat", "reply", "automatic", "note"])
    author: AuthorJson
    text: str
    internal: bool = Field(description="A note, never shown to the customer.")
    context: bool = Field(description="Written before the ticket, read in for context.")
    created_at: AwareDatetime
    edited_at: AwareDatetime | None
    deleted_at: AwareDatetime | None
    reply_to: str | None = Field(
        description="The message that this one replies to (Telegram), by its message key: of a reply, one of "
        "`delivery.message_keys`. It may be in no ticket."
    )
    revisions: list[RevisionJson] = Field(description="The latest 100 former texts, the oldest first.")
    attachments: list[Attachment]
    source: SourceJson | None = Field(description="Where it stands in the chat; null for notes.")
    delivery: DeliveryJson | None = Field(description="The fate of a reply; null for other messages.")
    reactions: list[ReactionJson]
    trace_id: str | None


class HistoryJson(BaseModel):
    version: int
    at: AwareDatetime
    kind: str
    actor: dict[str, str | None] = Field(examples=[{"kind": "agent", "id": "agt_5f2c8e0a9b1d4c37", "name": "Ann"}])
    cause: dict[str, str] = Field(examples=[{"kind": "request", "id": "req_0b7e"}])
    changes: dict[str, JsonValue] = Field(
        description="By the names that the ticket's and the message's JSON have.",
        examples=[{"status": {"old": "new", "new": "pending"}}],
    )
    message_id: str | None
    trace_id: str | None


class AgentJson(BaseModel):
    id: str
    name: str
    role: StaffRole
    active: bool
    identities: list[str]
    created_at: AwareDatetime
    updated_at: AwareDatetime


class PolicyJson(BaseModel):
    version: int = Field(description="0 is the built-in default.")
    document: Policy
    applied_at: AwareDatetime | None
    applied_by: str | None


class DeadLetterJson(BaseModel):
    id: str
    state: str = Field(examples=["waiting", "replayed", "discarded"])
    topic: str
    partition: int = Field(description="-1 where the dead letter doesn't say.")
    offset: int
    consumer: str
    cause: str
    error: str
    attempts: int
    at: AwareDatetime
    key: str | None
    first_offset: int = Field(description="Where it stood before it was first replayed: its place among its key's.")
    dead_topic: str
    dead_partition: int
    dead_offset: int
    reason: str | None
    settled_at: AwareDatetime | None
    settled_by: str | None


class EditJson(BaseModel):
    value: Any = Field(description="The corrected value.")
    at: AwareDatetime
    by: str


class DeadLettersSettledJson(BaseModel):
    settled: int = Field(description="How many were replayed or discarded now.")
    left: int = Field(description="How many that match still wait.")


class DeadLetterDetailJson(DeadLetterJson):
    headers: list[list[str | None]] = Field(description="The original's, as text where they are text.")
    content: Any = Field(description="The original value as JSON, where it is JSON that can be shown so; else null.")
    value: str | None = Field(description="As text where it is UTF-8, else null.")
    value_base64: str | None = Field(description="Where the value isn't UTF-8.")
    edits: list[EditJson] = Field(description="Corrections, the first one first; the last one is what is replayed.")


class MeJson(BaseModel):
    token_id: str
    name: str
    scope: Scope
    agent: dict[str, Any] | None
