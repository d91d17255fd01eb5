"""What history shows and nobody has heard of, with the ids of live events, in the platform's order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.chat import Channel, ChannelType
from contracts.chat_events_v1 import ChannelMoved, ChatEvent, MessageDeleted, MessageEdited, MessagePosted
from contracts.chat_requests_v1 import ReadHistory
from contracts.keys import MessageKey, Platform, slack_channel
from services.ingest.slack.parse import parse
from services.ingest.worker import history, wishes
from services.ingest.worker.known import Known, content_of, key_at, known_from, ordinal_at

NOW = datetime(2024, 5, 21, 16, tzinfo=UTC)
BEFORE, LATER = NOW - timedelta(days=1), NOW + timedelta(days=1)
HELP = Channel(key=slack_channel("C1"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PRIVATE)
ENVELOPE: dict[str, Any] = {
    "type": "event_callback",
    "team_id": "T1",
    "authorizations": [{"user_id": "UBOT", "is_bot": True}],
}
TS = f"{NOW.timestamp():.0f}.000100"
POST: dict[str, Any] = {"type": "message", "user": "U1", "text": "a &lt;b&gt;", "ts": TS}
EDITED = {**POST, "text": "better", "edited": {"user": "U1", "ts": f"{NOW.timestamp() + 5:.0f}.000000"}}
TOMBSTONE = {
    "type": "message",
    "subtype": "tombstone",
    "user": "USLACKBOT",
    "text": "This message was deleted.",
    "hidden": True,
    "ts": TS,
    "thread_ts": TS,
    "reply_count": 1,
    "latest_reply": TS,
}


def live(event: dict[str, Any]) -> ChatEvent:
    """What the parser made of a webhook."""
    (record,) = parse({**ENVELOPE, "event": {"channel": "C1", "channel_type": "group", **event}}, NOW).records
    assert isinstance(record, ChatEvent)
    return record


def unheard(
    message: dict[str, Any], known: Known | None = None, since: datetime = BEFORE, *, read_at: datetime = NOW
) -> list[ChatEvent]:
    shown = history.shown(message, ENVELOPE, HELP, read_at)
    return [find.event for find in history.unknown(shown, known, since)]


def known_as(*events: ChatEvent) -> Known:
    found = [one for event in events if (one := known_from(event)) is not None]
    known, *rest = found
    for one in rest:
        known = known.then(one)
    return known


def edit_event() -> ChatEvent:
    return live(
        {
            "type": "message",
            "subtype": "message_changed",
            "message": EDITED,
            "previous_message": POST,
            "event_ts": "9.0",
        }
    )


def test_a_message_of_history_is_the_event_that_a_webhook_brings() -> None:
    (found,) = unheard(POST)
    webhook = live({**POST, "event_ts": TS})
    assert found == webhook.model_copy(update={"backfilled": True})


def test_an_edited_message_is_its_post_and_its_last_edit_with_the_edits_own_id() -> None:
    posted, edited = unheard(EDITED)
    assert (posted.record_id, edited.record_id) == (live({**POST, "event_ts": TS}).record_id, edit_event().record_id)
    assert isinstance(edited, MessageEdited)
    assert (edited.text, edited.backfilled, edited.channel) == ("better", True, HELP)


def test_what_history_shows_of_an_edited_message_is_the_last_of_its_second() -> None:
    live_edit = edit_event().model_copy(update={"ordered_at": edit_event().occurred_at.replace(microsecond=999_998)})
    _, edited = unheard(EDITED)
    assert edited.order > live_edit.order
    assert edited.record_id == live_edit.record_id


def test_of_a_known_message_only_an_unknown_edit_is_news() -> None:
    post, edit = live({**POST, "event_ts": TS}), edit_event()
    assert unheard(POST, known_as(post)) == []
    assert [one.record_id for one in unheard(EDITED, known_as(post))] == [edit.record_id]
    assert unheard(EDITED, known_as(post, edit)) == []
    assert unheard(EDITED, known_as(edit, post)) == []


def test_a_forwarded_message_of_history_is_what_a_webhook_brings() -> None:
    share = {"is_share": True, "author_name": "Boris", "text": "hello", "files": [{"id": "F9"}]}
    post = {**POST, "text": "", "attachments": [share]}
    webhook = live({**post, "event_ts": TS})
    assert unheard(post) == [webhook.model_copy(update={"backfilled": True})]
    said = {**EDITED, "attachments": [share, {"text": "a page", "from_url": "https://x.io"}]}
    _, edit = unheard(said)
    assert isinstance(edit, MessageEdited)
    assert (edit.text, [file.id for file in edit.attachments]) == ("better\n> Boris: hello", ["F9"])
    assert unheard(said, known_as(webhook, edit)) == []


def test_a_post_that_was_missed_is_news_also_when_its_edit_was_heard() -> None:
    edit = edit_event()
    posted, *rest = unheard(EDITED, known_as(edit))
    assert isinstance(posted, MessagePosted)
    assert rest == []
    again = {**EDITED, "text": "best", "edited": {"user": "U1", "ts": f"{NOW.timestamp() + 9:.0f}.000000"}}
    assert [type(one) for one in unheard(again, known_as(edit))] == [MessagePosted, MessageEdited]
    assert unheard(EDITED, known_as(edit), since=LATER) == []


def test_an_edit_that_was_taken_back_unheard_is_no_news() -> None:
    back = {**EDITED, "text": POST["text"]}
    assert unheard(back, known_as(live({**POST, "event_ts": TS}))) == []


def test_what_is_older_than_the_gap_and_unknown_stays_so_but_its_known_edits_count() -> None:
    assert unheard(EDITED, since=LATER) == []
    assert len(unheard(EDITED, known_as(live({**POST, "event_ts": TS})), since=LATER)) == 1


def test_a_tombstone_deletes_what_is_known_and_not_deleted() -> None:
    known = known_as(live({**POST, "event_ts": TS}))
    (gone,) = unheard(TOMBSTONE, known, read_at=LATER)
    assert isinstance(gone, MessageDeleted)
    assert (gone.record_id, gone.occurred_at) == (f"slack:C1:{TS}:deleted", LATER)
    assert unheard(TOMBSTONE, replace(known, deleted=True)) == []
    assert unheard(TOMBSTONE) == []


@pytest.mark.parametrize("subtype", ["channel_join", "channel_topic", "pinned_item"])
def test_notices_say_nothing_even_when_edited(subtype: str) -> None:
    assert unheard({**EDITED, "subtype": subtype}) == []


def test_the_order_is_the_platforms_with_each_edit_after_its_post() -> None:
    """Slack's `edited.ts` has whole seconds: it may lie before the message."""
    late = {**EDITED, "ts": f"{NOW.timestamp():.0f}.900000", "edited": {"user": "U1", "ts": f"{NOW.timestamp():.0f}"}}
    finds = [
        find
        for message in (late, POST)
        for find in history.unknown(history.shown(message, ENVELOPE, HELP, NOW), None, BEFORE)
    ]
    ordered = [find.event for find in sorted(finds, key=lambda find: (find.ordinal, find.rank))]
    assert [type(event) for event in ordered] == [MessagePosted, MessagePosted, MessageEdited]
    assert ordered[1].record_id == f"slack:C1:{late['ts']}"


def ts(seconds: float) -> str:
    return f"{NOW.timestamp() + seconds:.6f}"


def test_threads_with_replies_of_the_time_read_are_read_and_those_of_the_gap_first() -> None:
    def root(at: float, latest: float, **more: Any) -> dict[str, Any]:
        return {"ts": ts(at), "thread_ts": ts(at), "reply_count": 1, "latest_reply": ts(latest), **more}

    page: list[dict[str, Any]] = [
        root(-90, -80),
        root(-60, -5),
        root(-50, 5),
        {"ts": ts(7), "thread_ts": ts(-999), "subtype": "thread_broadcast"},
        {"ts": ts(8)},
        root(9, 9, reply_count=0),
        {"ts": ts(1), "thread_ts": ["odd"]},
    ]
    found = history.threads(page, NOW, NOW - timedelta(seconds=70))
    assert {(one.ts, one.urgent) for one in found} == {(ts(-60), False), (ts(-50), True), (ts(-999), True)}


def test_the_oldest_shown_message_is_remembered_over_pages() -> None:
    assert history.lowest([{"ts": "5.000001"}, {"ts": "odd"}, {}], None) == 5_000_001
    assert history.lowest([{"ts": "5.000001"}], 4_000_000) == 4_000_000
    assert history.lowest([], None) is None


def test_a_message_of_another_platform_or_without_a_ts_is_not_noted() -> None:
    post = live({**POST, "event_ts": TS})
    assert isinstance(post, MessagePosted)
    assert known_from(post.model_copy(update={"message_key": MessageKey("slack:C1:odd")})) is None
    telegram = HELP.model_copy(update={"platform": Platform.TELEGRAM})
    assert known_from(post.model_copy(update={"channel": telegram})) is None
    moved = ChannelMoved(channel=HELP, occurred_at=NOW, received_at=NOW, old_channel_key=slack_channel("C0"))
    assert known_from(moved) is None


def test_a_key_and_its_ordinal_lead_to_each_other() -> None:
    assert key_at(HELP.key, ordinal_at(NOW)) == f"slack:C1:{ts(0)}"


def test_files_are_content_too() -> None:
    post = live({**POST, "event_ts": TS, "subtype": "file_share", "files": [{"id": "F1"}]})
    assert isinstance(post, MessagePosted)
    assert content_of(post.text, post.attachments) != content_of(post.text, ())


def test_a_request_to_read_history_is_one_job() -> None:
    request = ReadHistory(platform=Platform.SLACK, requested_at=NOW, only_after_gap=True)
    (job,) = wishes.wanted(request)
    assert (job.kind, job.job_id) == (wishes.GAP, request.record_id)
    assert ReadHistory.model_validate(job.payload) == request
