"""One lease, one call, one settlement. What the platform said decides; what it didn't say is a doubt, never a guess.

- A post in doubt is read back before anything else is done; where that is impossible it becomes `unknown`.
- A holder whose lease is nearly over makes no call: its request must be over before the lease is.
- Edits and deletions may be repeated, so a doubt about them is simply tried again.
- A post that was made under a lease lost meanwhile is removed again, or its new holder is told to look for copies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from chassis import metrics, telemetry
from chassis.backoff import Backoff
from chassis.clock import Clock
from chassis.database import Database
from chassis.faults import fault_point
from chassis.logs import bound, get_logger
from contracts.chat_receipts_v1 import DeliveryError, DeliveryState, Operation
from contracts.keys import MessageKey, Platform, message_id_of, message_key
from services.notifier import copies, shared_limits
from services.notifier.ledger import leases
from services.notifier.ledger.instructions import UNSEEN
from services.notifier.ledger.leases import Lease, LeaseLost, Settlement
from services.notifier.ledger.states import Event
from services.notifier.limits import ChannelLimits
from services.notifier.outcomes import (
    Absent,
    ChangeOutcome,
    Content,
    Done,
    Doubtful,
    Found,
    Later,
    Moved,
    Posted,
    PostOutcome,
    ReadOutcome,
    Refused,
    Sender,
    Target,
    Unreadable,
)
from services.notifier.steps import Nothing, Post, Remove, Unseen, Update, Withdrawn, plan
from services.notifier.writing import insist

RETRIES = Backoff(first=1.0, factor=2.0, longest=300.0, patience=float("inf"))
"""Between tries of one call: the platform's troubles end, and agents' answers wait for that."""

EMPTY = DeliveryError(code="no_text", text="There is no text to post.")
NOT_CONNECTED = DeliveryError(
    code="not_connected", text="Okno isn't connected to this platform. Connect it, then send again."
)
METHODS: dict[tuple[Platform, str], str] = {
    (Platform.SLACK, "post"): "chat.postMessage",
    (Platform.SLACK, "edit"): "chat.update",
    (Platform.SLACK, "delete"): "chat.delete",
    (Platform.SLACK, "read"): "conversations.replies",
    (Platform.TELEGRAM, "post"): "sendMessage",
    (Platform.TELEGRAM, "edit"): "editMessageText",
    (Platform.TELEGRAM, "delete"): "deleteMessage",
    (Platform.TELEGRAM, "read"): "none",
}
CallOutcome = PostOutcome | ChangeOutcome | ReadOutcome

log = get_logger("notifier")


@dataclass(frozen=True, slots=True)
class _Call:
    """A step with what is known of it."""

    step: Post | Update | Remove
    left: int
    errand: Literal["post", "edit", "delete", "read"]


class Worker:
    """Carries out leases."""

    def __init__(
        self,
        *,
        database: Database,
        senders: Mapping[Platform, Sender],
        limits: ChannelLimits,
        clock: Clock,
        settling_seconds: float,
        retries: Backoff = RETRIES,
    ) -> None:
        self._database = database
        self._senders = senders
        self._limits = limits
        self._clock = clock
        self._settling = settling_seconds
        self._retries = retries
        self._surplus = copies.Surplus(database=database, clock=clock, hold=self._hold, pause=self._pause)
        metrics.from_zero(metrics.reply_to_chat, senders)

    async def carry_out(self, lease: Lease, leased_at: float, waited: float) -> None:
        """Make the lease's call. `leased_at` is the monotonic time before it was taken, `waited` the wait for room."""
        entry, operation = lease.entry, lease.operation
        attributes: dict[str, str | int | float | bool | None] = {
            telemetry.TICKET_ID: entry.ticket_id,
            telemetry.CONVERSATION_ID: entry.conversation_id,
            telemetry.DELIVERY_ID: entry.delivery_id,
            telemetry.PLATFORM: lease.place.channel.platform,
            "okno.delivery.operation": operation.kind,
            "okno.delivery.attempt": operation.attempts,
            "okno.delivery.rate_limit_wait_seconds": round(waited, 3),
        }
        with bound(ticket_id=entry.ticket_id, delivery_id=entry.delivery_id):
            telemetry.record_span(
                "notifier.wait",
                traceparent=operation.traceparent,
                start=lease.due_at,
                end=lease.leased_at,
                attributes=attributes,
            )
            with telemetry.start_span(
                f"notifier.{operation.kind}",
                traceparent=operation.traceparent,
                attributes=attributes,
                start=min(lease.leased_at, self._clock.now()),  # PostgreSQL's clock may be ahead
            ):
                await fault_point("notifier.leased")
                with suppress(LeaseLost):
                    await self._carry_out(lease, leased_at)

    async def _carry_out(self, lease: Lease, leased_at: float) -> None:
        sender = self._senders.get(lease.place.channel.platform)
        if sender is None:
            event = Event.LOST if lease.doubtful else Event.REFUSED  # who can't read can't say that it isn't there
            await self._settle(lease, Settlement(event, NOT_CONNECTED, parts_left=lease.operation.parts_left))
            return
        contents = self._contents(lease, sender)
        if lease.doubtful:
            # The doubt is about the part after the last recorded one, whatever was decided about the text since.
            number = max(lease.entry.parts, default=-1) + 1
            left = max(0, len(contents) - number - 1)
            await self._call(lease, sender, _Call(Post(number, Content("")), left, "read"), leased_at)
            return
        settlement = _without_call(lease, contents)
        if settlement is not None:
            await self._settle(lease, settlement)
            return
        entry = lease.entry
        next_ = plan(lease.operation.kind, contents, entry.revision, entry.parts, withdrawn=entry.withdrawn)
        match next_.step:
            case Post() as step:
                await self._call(lease, sender, _Call(step, next_.left, "post"), leased_at)
            case Update() as step:
                await self._call(lease, sender, _Call(step, next_.left, "edit"), leased_at)
            case Remove() as step:
                await self._call(lease, sender, _Call(step, next_.left, "delete"), leased_at)
            case Withdrawn():
                await self._settle(lease, Settlement(Event.WITHDRAWN))
            case Unseen():
                await self._settle(lease, Settlement(Event.REFUSED, UNSEEN))
            case Nothing():
                await self._settle(lease, Settlement(Event.COMPLETED))

    def _contents(self, lease: Lease, sender: Sender) -> list[Content]:
        """The messages that the chat should show when the operation is done."""
        entry, kind = lease.entry, lease.operation.kind
        if kind is Operation.DELETE:
            return []
        contents = sender.render(entry.text, lease.mentions)
        if kind is Operation.EDIT and entry.post.state is not DeliveryState.SENT:
            return contents[: len(entry.parts)]  # a post that failed half-way isn't finished by an edit
        return contents

    async def _call(self, lease: Lease, sender: Sender, call: _Call, leased_at: float) -> None:
        """The one call of the lease, and its settlement."""
        if self._clock.monotonic() - leased_at > self._settling:
            log.warning("lease_too_short", errand=call.errand)
            event = Event.DOUBTED if lease.doubtful else Event.POSTPONED
            await self._settle(lease, Settlement(event, keep_token=lease.doubtful))
            return
        posting = call.errand in {"post", "read"}
        if posting != lease.posting:
            await leases.mark_posting(self._database, lease, posting=posting)
        outcome, errand = await self._ask(lease, sender, call), call.errand
        if isinstance(outcome, Found):
            left = await copies.remove(sender, call.step.part, outcome.copies)
            if left is not None:  # it stays in doubt, and is read back again
                outcome, errand = left, "delete"
        await fault_point("notifier.posted")
        settlement = self._settlement(lease, call, outcome)

        async def write() -> bool:
            await self._hold(lease, errand, outcome)
            return await self._settle(lease, settlement)

        try:
            settled = await insist(write, self._clock)
        except LeaseLost:
            if isinstance(outcome, Posted | Found):
                await self._surplus.remove(lease, sender, call.step.part, outcome.key)
            return
        await fault_point("notifier.recorded")
        posted = settled and isinstance(outcome, Posted | Found)
        if posted and settlement.event is Event.COMPLETED and lease.operation.kind is Operation.POST:
            took = (self._clock.now() - lease.entry.requested_at).total_seconds()
            exemplar = telemetry.exemplar(lease.operation.traceparent)
            metrics.reply_to_chat.labels(lease.place.channel.platform).observe(max(0.0, took), exemplar)

    async def _ask(self, lease: Lease, sender: Sender, call: _Call) -> CallOutcome:
        """The platform call itself, timed and traced."""
        platform = lease.place.channel.platform
        method = METHODS[platform, call.errand]
        if call.errand == "read" and lease.place.thread is None and platform is Platform.SLACK:
            method = "conversations.history"
        started = self._clock.monotonic()
        with telemetry.start_span(
            f"{platform} {method}", kind="client", attributes={"okno.part": call.step.part, "rpc.method": method}
        ) as span:
            outcome = await self._make(lease, sender, call)
            name = type(outcome).__name__.lower()
            error = getattr(outcome, "error", None)
            span.set("okno.outcome", name)
            if error is not None:
                span.fail(error.code)
                log.warning("platform_call", method=method, outcome=name, cause=error.code)
        metrics.platform_calls.labels(platform, method, name).observe(self._clock.monotonic() - started)
        return outcome

    async def _make(self, lease: Lease, sender: Sender, call: _Call) -> CallOutcome:
        target = Target(lease.entry.delivery_id, call.step.part, lease.channel, lease.place)
        match call.step:
            case Post(content=content):
                if call.errand == "read":
                    return await sender.find(target, lease.since.timestamp())
                return await sender.post(target, content)
            case Update(key=key, content=content):
                return await sender.update(_present(lease, sender, key), content)
            case Remove(key=key):
                return await sender.remove(_present(lease, sender, key))

    def _settlement(self, lease: Lease, call: _Call, outcome: CallOutcome) -> Settlement:
        """What an outcome does to the ledger."""
        match outcome:
            case Posted(key=key) | Found(key=key):
                return _done(call, (call.step.part, key, lease.sending_revision))
            case Done():
                return _changed(lease, call)
            case Refused(error=error):
                return Settlement(Event.REFUSED, error)
            case Unreadable(error=error):
                return Settlement(Event.LOST, error, parts_left=call.left)
            case Absent():  # after a death it is posted at once, after a platform's trouble not faster than that
                pause = self._pause(lease, 0) if lease.failures else 0.0
                return Settlement(Event.ABSENT, due_in=pause, failures=lease.failures)
            case Moved(channel=channel):
                return Settlement(Event.POSTPONED, moved_to=channel)
            case Later(error=error, held_seconds=held):
                pause = held if held is not None else self._pause(lease)
                # A read-back that has to wait leaves its post in doubt.
                event = Event.DOUBTED if call.errand == "read" else Event.POSTPONED
                failures = lease.failures + (held is None)
                return Settlement(event, error, pause, keep_token=call.errand == "read", failures=failures)
            case Doubtful(error=error, answered=answered):
                if call.errand != "post":
                    return Settlement(Event.POSTPONED, error, self._pause(lease), failures=lease.failures + 1)
                settle = self._settling if answered else None
                return Settlement(
                    Event.DOUBTED, error, settle, keep_token=True, failures=lease.failures + 1, parts_left=call.left
                )

    def _pause(self, lease: Lease, more: int = 1) -> float:
        return self._retries.pause(lease.failures + more, 0.0) or self._retries.longest

    async def _hold(self, lease: Lease, errand: str, outcome: CallOutcome) -> None:
        """The platform closed a bucket.

        Slack counts a method of a workspace. Telegram doesn't say which of its limits it means: it is the chat's, until
        a second chat of the bot is closed at the same time, then it is the bot's.
        """
        if not isinstance(outcome, Later) or outcome.held_seconds is None:
            return
        now = self._clock.monotonic()
        workspace = f"{lease.place.channel.platform}:{lease.place.channel.workspace}"
        if lease.place.channel.platform is Platform.TELEGRAM:
            others = self._limits.held(now) - {lease.channel}
            self._limits.hold(lease.channel, outcome.held_seconds, now)
            if not any(other.startswith(f"{workspace}:") for other in others):
                return
        async with self._database.transaction() as connection:
            await shared_limits.hold(connection, shared_limits.bucket_of(workspace, errand), outcome.held_seconds)

    async def _settle(self, lease: Lease, settlement: Settlement) -> bool:
        try:
            return await leases.settle(self._database, lease, settlement)
        except LeaseLost:
            log.warning("lease_lost", outcome=settlement.event)
            raise


def _without_call(lease: Lease, contents: Sequence[Content]) -> Settlement | None:
    """What can be settled before the chat is compared with the text."""
    entry, kind = lease.entry, lease.operation.kind
    if kind is Operation.DELETE:
        lost = entry.post.state is DeliveryState.UNKNOWN and not entry.parts
        return Settlement(Event.REFUSED, UNSEEN) if lost else None
    if kind is Operation.EDIT and entry.post.state is DeliveryState.UNKNOWN:
        return Settlement(Event.REFUSED, UNSEEN)
    if kind is Operation.POST and not contents and not entry.withdrawn:
        return Settlement(Event.REFUSED, EMPTY)
    return None


def _present(lease: Lease, sender: Sender, key: MessageKey) -> MessageKey:
    """The message as it is named now: its channel may have moved since it was posted."""
    moved = lease.channel != lease.entry.channel_key and sender.keeps_messages
    return message_key(lease.channel, message_id_of(key)) if moved else key


def _done(call: _Call, part: tuple[int, MessageKey | None, int]) -> Settlement:
    event = Event.PART_DONE if call.left else Event.COMPLETED
    return Settlement(event, set_part=part, parts_left=call.left)


def _changed(lease: Lease, call: _Call) -> Settlement:
    if isinstance(call.step, Remove):
        event = Event.PART_DONE if call.left else Event.COMPLETED
        return Settlement(event, remove_part=call.step.part)
    assert isinstance(call.step, Update)  # noqa: S101 - Done answers nothing else
    return _done(call, (call.step.part, call.step.key, lease.entry.revision))
