"""What a chat event makes the worker fetch. Pure: events in, jobs and ready profiles out."""

from collections.abc import Container, Iterable

from contracts.base import RecordModel
from contracts.chat import Author, Channel
from contracts.chat_events_v1 import ButtonPressed, ChatEvent, MessageEdited, MessagePosted, ReactionChanged
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.chat_requests_v1 import ReadHistory, ReadThread
from contracts.keys import Platform
from services.ingest.worker.jobs import Job

PERSON = "slack_person"
CHANNEL = "slack_channel"
THREAD = "slack_thread"
GAP = "gap"
HISTORY = "slack_history"
ANSWER_BUTTON = "telegram_answer_button"
OF_A_GAP = frozenset({GAP, HISTORY})
"""Tried for as long as it takes: nobody asks for them again, as the next message does for a name."""


def author_of(event: ChatEvent) -> Author | None:
    if isinstance(event, MessagePosted | MessageEdited):
        return event.author
    return event.person if isinstance(event, ReactionChanged | ButtonPressed) else None


def wanted(event: RecordModel, fresh: Container[str] = ()) -> list[Job]:
    """Slack's events carry ids only; names are looked up, but for those of `fresh` keys.

    Telegram wants each button press answered.
    """
    if isinstance(event, ReadThread):
        payload = {
            "channel": event.channel.model_dump(mode="json"),
            "thread": event.thread,
            "before": event.before.isoformat(),
        }
        return [Job(event.request_id, THREAD, payload)] if event.channel.platform == Platform.SLACK else []
    if isinstance(event, ReadHistory):
        return [Job(event.record_id, GAP, event.model_dump(mode="json", exclude_none=True))]
    if not isinstance(event, ChatEvent):
        return []
    if isinstance(event, ButtonPressed) and event.channel.platform == Platform.TELEGRAM:
        return [Job(f"{ANSWER_BUTTON}:{event.query_id}", ANSWER_BUTTON, {"query_id": event.query_id})]
    if event.channel.platform != Platform.SLACK:
        return []
    jobs = []
    if not event.channel.type.is_dialog and event.channel.key not in fresh:
        jobs.append(Job(f"{CHANNEL}:{event.channel.key}", CHANNEL, {"key": event.channel.key}))
    author = author_of(event)
    if author is not None and not author.is_bot and author.key not in fresh:
        jobs.append(Job(f"{PERSON}:{author.key}", PERSON, {"key": author.key}))
    return jobs


def carried(events: Iterable[ChatEvent]) -> list[PersonProfile | ChannelProfile]:
    """Profiles that the events carry themselves, the last of each key: Telegram sends names with every message."""
    found: dict[str, PersonProfile | ChannelProfile] = {}
    for event in events:
        if event.channel.platform != Platform.TELEGRAM:
            continue
        author = author_of(event)
        if author is not None and author.name and not author.is_self:
            found[author.key] = PersonProfile(
                person_key=author.key,
                name=author.name,
                locale=author.locale,
                is_bot=author.is_bot,
                updated_at=event.occurred_at,
            )
        if event.channel.name and not event.channel.type.is_dialog:
            found[event.channel.key] = _channel_profile(event.channel, event)
    return list(found.values())


def _channel_profile(channel: Channel, event: ChatEvent) -> ChannelProfile:
    return ChannelProfile(
        channel_key=channel.key, name=channel.name or "", type=channel.type, updated_at=event.occurred_at
    )
