"""Each shape of Slack's payloads, as its documentation and SDKs show it, becomes the right events or none."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.chat import ChannelType
from contracts.chat_events_v1 import ChannelMoved, MessageDeleted, MessageEdited, MessagePosted, ReactionChanged
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from services.ingest.slack.parse import parse

NOW = datetime(2024, 5, 21, tzinfo=UTC)
Json = dict[str, Any]


def envelope(event: Json) -> Json:
    return {
        "token": "t",
        "team_id": "T1",
        "api_app_id": "A1",
        "event": event,
        "type": "event_callback",
        "event_id": "Ev1",
        "event_time": 1700000000,
        "authorizations": [{"team_id": "T1", "user_id": "UBOT", "is_bot": True}],
    }


def message(**fields: Any) -> Json:
    return {
        "type": "message",
        "user": "U1",
        "text": "hi",
        "ts": "10.000100",
        "channel": "C1",
        "event_ts": "10.000100",
        "channel_type": "channel",
        **fields,
    }


def changed(new: Json, old: Any, **fields: Any) -> Json:
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "message": {"user": "U1", "type": "message", "ts": "10.000100", **new},
        "previous_message": old,
        "channel": "C1",
        "ts": "11.000200",
        "event_ts": "11.000200",
        "channel_type": "channel",
        **fields,
    }


def one(event: Json) -> Any:
    records = parse(envelope(event), NOW).records
    assert len(records) == 1
    return records[0]


def test_a_post_keeps_author_text_and_place() -> None:
    event = one(message(text="&lt;b&gt; <@UBOT> <@U2>"))
    assert isinstance(event, MessagePosted)
    assert event.record_id == event.message_key == "slack:C1:10.000100"
    assert event.record_key == "slack:C1"
    assert (event.author.key, event.author.is_bot, event.author.is_self) == ("slack:U1", False, False)
    assert event.text == "<b> @UBOT @U2"
    assert (event.mentions, event.mentions_us) == (("slack:UBOT", "slack:U2"), True)
    assert event.occurred_at == datetime.fromtimestamp(10, UTC).replace(microsecond=100)
    assert (event.channel.workspace, event.thread) == ("T1", None)


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ({"channel_type": "channel"}, ChannelType.PUBLIC),
        ({"channel_type": "group"}, ChannelType.PRIVATE),
        ({"channel_type": "im", "channel": "D1"}, ChannelType.DIALOG),
        ({"channel_type": "mpim"}, ChannelType.GROUP_DIALOG),
    ],
)
def test_all_channel_types_are_known(given: Json, type_: ChannelType) -> None:
    assert one(message(**given)).channel.type == type_


def test_a_reply_names_its_thread_and_a_root_with_replies_does_not() -> None:
    assert one(message(thread_ts="9.000001", parent_user_id="U2")).thread == "9.000001"
    assert one(message(thread_ts="10.000100", reply_count=2)).thread is None


def test_a_reply_also_sent_to_the_channel_is_a_reply() -> None:
    event = one(message(subtype="thread_broadcast", thread_ts="9.000001", root={"ts": "9.000001"}))
    assert event.thread == "9.000001"


def test_files_are_named() -> None:
    file = {"id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 3, "url_private": "https://files/x"}
    event = one(message(subtype="file_share", text="", files=[file, {"id": "F2", "mode": "file_access"}]))
    assert [(a.id, a.name, a.size) for a in event.attachments] == [("F1", "a.txt", 3), ("F2", None, None)]


def test_our_own_post_is_known_as_an_echo() -> None:
    metadata = {"event_type": "okno_delivery", "event_payload": {"delivery_id": "rpl_1"}}
    event = one(message(user="UBOT", bot_id="B1", app_id="A1", metadata=metadata, bot_profile={"name": "Okno"}))
    assert (event.author.is_self, event.author.is_bot, event.author.bot_id) == (True, True, "B1")
    assert event.delivery_id == "rpl_1"


def test_another_bot_is_not_us() -> None:
    classic = {k: v for k, v in message(subtype="bot_message", bot_id="B9", username="CI").items() if k != "user"}
    event = one(classic)
    assert (event.author.key, event.author.name, event.author.is_bot, event.author.is_self) == (
        "slack:B9",
        "CI",
        True,
        False,
    )


def edit_at(edited: str, event_ts: str) -> MessageEdited:
    message = {"text": "new", "edited": {"user": "U1", "ts": edited}}
    event = one({**changed(message, {"text": "old", "ts": "10.000100"}), "event_ts": event_ts})
    assert isinstance(event, MessageEdited)
    return event


def test_an_edit_is_known_by_slacks_whole_second_and_ordered_by_its_event() -> None:
    """Two edits of one second may come in either order: the later one holds."""
    earlier, later = edit_at("11.000000", "11.000200"), edit_at("11.000000", "11.700000")
    assert (earlier.message_key, earlier.text) == ("slack:C1:10.000100", "new")
    assert earlier.order == datetime.fromtimestamp(11, UTC).replace(microsecond=200)
    assert earlier.order < later.order
    assert earlier.occurred_at == later.occurred_at == datetime.fromtimestamp(11, UTC)
    assert earlier.record_id == later.record_id
    assert earlier.record_id.startswith("slack:C1:10.000100:edited:11.000000:")


@pytest.mark.parametrize(("edited", "event_ts"), [("11.000000", "12.000100"), ("11.000000", "9.0")])
def test_an_edit_whose_event_is_of_another_second_is_the_last_of_its_own(edited: str, event_ts: str) -> None:
    assert edit_at(edited, event_ts).order == datetime.fromtimestamp(11, UTC).replace(microsecond=999_999)


def test_an_edit_with_a_time_of_its_own_takes_that() -> None:
    assert edit_at("11.000300", "11.000400").order == datetime.fromtimestamp(11, UTC).replace(microsecond=300)


def test_the_same_text_again_is_no_edit() -> None:
    parsed = parse(envelope(changed({"text": "same"}, {"text": "same", "ts": "10.000100"})), NOW)
    assert (parsed.records, parsed.known) == ((), True)


def test_a_deleted_file_is_no_file_of_its_message_any_more() -> None:
    """Slack goes on listing it, under its id."""
    old = {"text": "see", "ts": "10.000100", "files": [{"id": "F1", "name": "a.txt"}, {"id": "F2", "name": "b.txt"}]}
    event = one(changed({**old, "files": [{"id": "F1", "mode": "tombstone"}, old["files"][1]]}, old))
    assert isinstance(event, MessageEdited)
    assert (event.text, [file.id for file in event.attachments]) == ("see", ["F2"])


def test_a_file_that_is_taken_away_after_an_edit_is_an_edit_of_its_own() -> None:
    """Slack leaves the time of the edit before."""
    edited = {"user": "U1", "ts": "11.000000"}
    old: Json = {"text": "first", "ts": "10.000100", "files": [{"id": "F1"}]}
    new: Json = {**old, "text": "second", "edited": edited}
    first = one(changed(new, old))
    second = one({**changed({**new, "files": []}, new), "event_ts": "50.000100"})
    assert (first.occurred_at, first.text) == (second.occurred_at, second.text)
    assert first.order < second.order
    assert first.record_id != second.record_id


SHARED: Json = {
    "is_share": True,
    "is_msg_unfurl": True,
    "author_name": "Boris &amp; Co",
    "author_id": "U7",
    "text": "/close <@UBOT>\n&lt;now&gt;",
    "fallback": "[May 21st] boris: /close",
    "from_url": "https://t.slack.com/archives/C9/p9000001",
    "files": [{"id": "F9", "name": "log.txt"}],
}
PREVIEW: Json = {"service_name": "GitHub", "title": "a page", "text": "its words", "from_url": "https://x.io"}
LINKED: Json = {**SHARED, "is_share": False}


def test_a_forwarded_message_is_quoted_and_its_words_are_not_the_authors() -> None:
    event = one(message(text="", attachments=[SHARED]))
    quotation = "> Boris & Co: /close @UBOT\n> <now>\nhttps://t.slack.com/archives/C9/p9000001"
    assert event.text == quotation
    assert (event.command, event.mentions, event.mentions_us) == (None, (), False)
    assert [(file.id, file.name) for file in event.attachments] == [("F9", "log.txt")]
    assert event.record_id == "slack:C1:10.000100"
    asked = one(message(text="/help please <@UBOT>", files=[{"id": "F9"}], attachments=[SHARED, PREVIEW]))
    assert asked.text == f"/help please @UBOT\n{quotation}"
    assert (asked.command.name, asked.command.arguments, asked.mentions_us) == ("help", "please @UBOT", True)
    assert [file.id for file in asked.attachments] == ["F9"]


def test_a_forwarded_message_without_text_says_what_slack_shows_of_it() -> None:
    bare = {"is_share": True, "fallback": "[May 21st] boris: hello"}
    assert one(message(text="", attachments=[bare])).text == "> [May 21st] boris: hello"
    assert one(message(text="", attachments=[{**SHARED, "text": "", "from_url": None}])).text == "> Boris & Co:"


@pytest.mark.parametrize("preview", [PREVIEW, LINKED])
def test_a_links_preview_is_nobodys_words(preview: Json) -> None:
    assert one(message(text="see", attachments=[preview])).text == "see"
    old = {"text": "see", "ts": "10.000100", "attachments": [SHARED]}
    assert parse(envelope(changed({**old, "attachments": [SHARED, preview]}, old)), NOW).records == ()
    bot = {"text": "", "bot_id": "B9", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x"}}]}
    assert parse(envelope(changed({**bot, "attachments": [preview]}, bot)), NOW).records == ()


def test_an_edit_of_what_is_said_about_a_forwarded_message_keeps_it() -> None:
    old = {"text": "", "ts": "10.000100", "attachments": [SHARED]}
    event = one(changed({**old, "text": "look"}, old))
    assert event.text.startswith("look\n> Boris & Co: ")
    assert [file.id for file in event.attachments] == ["F9"]
    assert one(changed({"text": "", "attachments": []}, old)).text == ""


RICH: Json = {
    "type": "rich_text",
    "elements": [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": "a <b> "},
                {"type": "user", "user_id": "UBOT"},
                {"type": "emoji", "name": "tada"},
                {"type": "link", "url": "https://x.io"},
            ],
        },
        {
            "type": "rich_text_list",
            "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": t}]} for t in "12"],
        },
    ],
}


ALARM: Json = {"type": "header", "text": {"type": "plain_text", "text": "Alarm"}}
DISK: Json = {"type": "section", "text": {"type": "mrkdwn", "text": "disk &lt;9%"}}


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ({"attachments": [{"text": "disk &lt;9%", "fallback": "f"}, {"fallback": "second"}]}, "disk <9%\nsecond"),
        ({"attachments": [PREVIEW], "blocks": [RICH]}, "a <b> @UBOT:tada:https://x.io\n1\n2"),
        (
            {
                "blocks": [
                    ALARM,
                    {"type": "divider"},
                    {
                        "type": "section",
                        "text": {"type": "mrkdwn", "text": "&lt;1&gt;"},
                        "fields": [{"type": "plain_text", "text": "2"}],
                    },
                ]
            },
            "Alarm\n<1>\n2",
        ),
        (
            {"attachments": [{"fallback": "[no preview available]", "blocks": [RICH]}]},
            "a <b> @UBOT:tada:https://x.io\n1\n2",
        ),
        (
            {
                "attachments": [
                    {
                        "fallback": "f",
                        "pretext": "Build &lt;7&gt;",
                        "title": "failed",
                        "text": "in <https://x.io|tests>",
                        "fields": [{"title": "Branch", "value": "main"}, {"title": "", "value": 3}, {"title": "Who"}],
                    }
                ]
            },
            "Build <7>\nfailed\nin tests (https://x.io)\nBranch: main\n3\nWho",
        ),
        ({"blocks": [ALARM], "attachments": [{"text": "disk"}, {"fallback": "cpu"}]}, "Alarm\ndisk\ncpu"),
        ({"blocks": [ALARM], "attachments": [{"fallback": "Alarm", "image_url": "https://x.io/1.png"}]}, "Alarm"),
        (
            {"attachments": [{"fallback": "f", "title": "Alarm", "text": "disk <9%", "blocks": [ALARM, DISK, RICH]}]},
            "Alarm\ndisk <9%\na <b> @UBOT:tada:https://x.io\n1\n2",
        ),
        (
            {
                "blocks": [
                    {"type": "markdown", "text": "**bold** & <more>"},
                    {
                        "type": "context",
                        "elements": [
                            {"type": "image", "image_url": "https://x.io/1.png", "alt_text": "a face"},
                            {"type": "mrkdwn", "text": "by <@U2>"},
                            {"type": "plain_text", "text": "today"},
                        ],
                    },
                ]
            },
            "**bold** & <more>\nby @U2\ntoday",
        ),
    ],
)
def test_a_bot_without_text_says_its_blocks_and_attachments(shown: Json, text: str) -> None:
    event = one(message(text="", bot_id="B9", **shown))
    assert (event.text, event.mentions_us, event.command) == (text, False, None)
    assert one(message(text="said", bot_id="B9", **shown)).text == "said"
    assert one(message(text="", **shown)).text == ""


def test_an_edit_whose_former_state_is_an_empty_list_is_kept() -> None:
    assert isinstance(one(changed({"text": "new"}, [])), MessageEdited)


def test_a_deletion_names_the_message_and_its_thread() -> None:
    event = one(
        message(
            subtype="message_deleted",
            deleted_ts="10.000100",
            ts="12.000100",
            event_ts="12.000100",
            previous_message={"ts": "10.000100", "thread_ts": "9.000001"},
        )
    )
    assert isinstance(event, MessageDeleted)
    assert (event.message_key, event.thread) == ("slack:C1:10.000100", "9.000001")
    assert event.record_id == "slack:C1:10.000100:deleted"


def test_the_tombstone_of_a_root_with_replies_is_a_deletion() -> None:
    tombstone = {
        "subtype": "tombstone",
        "user": "USLACKBOT",
        "text": "This message was deleted.",
        "thread_ts": "10.000100",
    }
    event = one(changed(tombstone, {"text": "old", "ts": "10.000100"}))
    assert isinstance(event, MessageDeleted)
    assert event.record_id == "slack:C1:10.000100:deleted"


@pytest.mark.parametrize(("kind", "added"), [("reaction_added", True), ("reaction_removed", False)])
def test_reactions_name_person_message_and_time(kind: str, added: bool) -> None:
    item = {"type": "message", "channel": "C1", "ts": "10.000100"}
    event = one({"type": kind, "user": "U1", "reaction": "eyes", "item": item, "event_ts": "14.000001"})
    assert isinstance(event, ReactionChanged)
    assert (event.person.key, event.name, event.added) == ("slack:U1", "eyes", added)
    assert event.message_key == "slack:C1:10.000100"


def test_names_of_people_and_channels_are_profiles() -> None:
    user = {"id": "U1", "name": "anna", "profile": {"display_name": "Anna", "email": "a@example.org"}, "updated": 5}
    profile = one({"type": "user_change", "user": user, "event_ts": "16.1"})
    assert isinstance(profile, PersonProfile)
    assert (profile.person_key, profile.name, profile.email) == ("slack:U1", "Anna", "a@example.org")
    renamed = one({"type": "channel_rename", "channel": {"id": "C1", "name": "new"}, "event_ts": "16.100000"})
    assert isinstance(renamed, ChannelProfile)
    assert (renamed.channel_key, renamed.name) == ("slack:C1", "new")


def test_a_changed_channel_id_is_a_move() -> None:
    event = one({"type": "channel_id_changed", "old_channel_id": "G1", "new_channel_id": "C9", "event_ts": "16.100000"})
    assert isinstance(event, ChannelMoved)
    assert (event.record_key, event.channel.key) == ("slack:G1", "slack:C9")


@pytest.mark.parametrize(
    "event",
    [
        {"type": "app_mention", "user": "U1", "text": "<@UBOT>", "ts": "10.000100", "channel": "C1"},
        {"type": "member_joined_channel", "user": "U1", "channel": "C1"},
        {"type": "app_uninstalled"},
        message(subtype="channel_join", inviter="U2"),
        message(subtype="channel_topic", topic="x"),
    ],
)
def test_a_known_shape_that_carries_nothing_for_us_gives_none(event: Json) -> None:
    parsed = parse(envelope(event), NOW)
    assert (parsed.records, parsed.known) == ((), True)


def test_an_unknown_type_is_named() -> None:
    parsed = parse(envelope({"type": "moon_phase_changed"}), NOW)
    assert (parsed.kind, parsed.records, parsed.known) == ("moon_phase_changed", (), False)
    assert parse({"type": "app_rate_limited", "team_id": "T1"}, NOW).known


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "event_callback"},
        envelope(message(ts=None)),
        envelope(message(user=None)),
        envelope({"type": "message", "subtype": "message_deleted", "channel": "C1", "event_ts": "1.1"}),
        envelope({"type": "reaction_added", "user": "U1", "item": {"type": "message"}, "event_ts": "1.1"}),
    ],
)
def test_a_payload_that_breaks_its_own_shape_raises_what_the_intake_expects(broken: Json) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        parse(broken, NOW)


def test_nul_characters_never_reach_a_record() -> None:
    assert one(message(text="a\x00b")).text == "ab"
