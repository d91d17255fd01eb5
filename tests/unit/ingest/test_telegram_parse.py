"""Each shape of Telegram's updates becomes the right events or none."""

from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.chat import ChannelType
from contracts.chat_events_v1 import ButtonPressed, ChannelMoved, MessageEdited, MessagePosted, ReactionChanged
from services.ingest.telegram.parse import Bot, parse

NOW = datetime(2024, 5, 21, tzinfo=UTC)
BOT = Bot(7700, "OknoBot")
ANNA = {"id": 5, "is_bot": False, "first_name": "Anna", "last_name": "K", "language_code": "ru"}
PRIVATE = {"id": 5, "first_name": "Anna", "type": "private"}
GROUP = {"id": -100, "title": "Club", "type": "supergroup"}
FORUM = {**GROUP, "is_forum": True}
Json = dict[str, Any]


def message(**fields: Any) -> Json:
    return {"message_id": 8, "from": ANNA, "chat": PRIVATE, "date": 1700000000, "text": "hi", **fields}


def records(**update: Any) -> tuple[Any, ...]:
    return parse({"update_id": 1} | update, BOT, NOW).records


def posted(**fields: Any) -> MessagePosted:
    (event,) = records(message=message(**fields))
    assert isinstance(event, MessagePosted)
    return event


def test_a_message_keeps_author_text_and_place() -> None:
    event = posted()
    assert event.record_id == "telegram:7700:5:8"
    assert event.record_key == "telegram:7700:5"
    assert (event.author.key, event.author.name, event.author.locale) == ("telegram:5", "Anna K", "ru")
    assert (event.channel.type, event.channel.workspace) == (ChannelType.DIALOG, "7700")
    assert event.occurred_at == datetime.fromtimestamp(1700000000, UTC)


@pytest.mark.parametrize(
    ("chat", "type_"),
    [
        (GROUP, ChannelType.GROUP),
        (FORUM, ChannelType.FORUM),
        ({"id": -1, "title": "G", "type": "group"}, ChannelType.GROUP),
    ],
)
def test_groups_and_forums_are_told_apart(chat: Json, type_: ChannelType) -> None:
    assert posted(chat=chat).channel.type == type_


def test_a_topic_is_a_thread_and_its_first_message_no_answer() -> None:
    topic = {"chat": FORUM, "message_thread_id": 4, "is_topic_message": True}
    assert posted(**topic, reply_to_message={"message_id": 4}).thread == "4"
    assert posted(**topic, reply_to_message={"message_id": 4}).reply_to is None
    assert posted(**topic, reply_to_message={"message_id": 6}).reply_to == "telegram:7700:-100:6"
    assert posted(chat=FORUM).thread is None


def test_a_command_is_read_with_its_arguments() -> None:
    entity = {"type": "bot_command", "offset": 0, "length": 6}
    command = posted(text="/Start abc", entities=[entity]).command
    assert command is not None
    assert (command.name, command.arguments) == ("start", "abc")


@pytest.mark.parametrize(("name", "ours"), [("oknobot", True), ("OtherBot", False)])
def test_a_command_for_another_bot_is_none_of_ours(name: str, ours: bool) -> None:
    text = f"/help@{name}"
    command = posted(
        chat=GROUP, text=text, entities=[{"type": "bot_command", "offset": 0, "length": len(text)}]
    ).command
    assert (command is not None) == ours


def test_offsets_count_utf16_units() -> None:
    text = "\N{PARTY POPPER} @OknoBot"
    assert posted(text=text, entities=[{"type": "mention", "offset": 3, "length": 8}]).mentions_us
    linked = {"type": "text_mention", "offset": 0, "length": 2, "user": {"id": 9}}
    assert posted(text=text, entities=[linked]).mentions == ("telegram:9",)


def test_a_reply_to_the_bot_mentions_it() -> None:
    event = posted(chat=GROUP, reply_to_message={"message_id": 3, "from": {"id": 7700, "is_bot": True}})
    assert event.mentions_us
    assert event.reply_to == "telegram:7700:-100:3"


def test_a_reply_to_the_bot_tells_when_that_was_posted() -> None:
    ours = {"message_id": 3, "from": {"id": 7700, "is_bot": True}, "date": 1699999990}
    assert posted(chat=GROUP, reply_to_message=ours).our_post_at == datetime.fromtimestamp(1699999990, UTC)
    assert posted(chat=GROUP, reply_to_message={**ours, "date": 0}).our_post_at is None
    assert posted(chat=GROUP, reply_to_message={**ours, "from": ANNA}).our_post_at is None
    assert posted(chat=GROUP, reply_to_message={"message_id": 3, "date": 1699999990}).our_post_at is None
    assert posted(chat=GROUP).our_post_at is None


def test_media_and_captions_are_kept() -> None:
    sizes = [{"file_id": "small", "file_size": 1}, {"file_id": "large", "file_size": 9}]
    fields = {k: v for k, v in message(photo=sizes, caption="look", media_group_id="m1").items() if k != "text"}
    (event,) = records(message=fields)
    assert (event.text, event.album) == ("look", "m1")
    assert [(a.id, a.media_type, a.size) for a in event.attachments] == [("large", "image/jpeg", 9)]


def test_an_anonymous_administrator_writes_as_the_chat() -> None:
    event = posted(chat=GROUP, **{"from": {"id": 1087968824, "is_bot": True}}, sender_chat=GROUP)
    assert (event.author.key, event.author.name, event.author.is_bot) == ("telegram:-100", "Club", False)


TELEGRAM = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
NEWS = {"id": -500, "title": "News", "type": "channel"}


def test_a_linked_channels_post_is_nobodys_question() -> None:
    """Telegram copies each into the group, from a user that isn't marked as a bot; people comment on the copy."""
    copied = message(chat=GROUP, sender_chat=NEWS, is_automatic_forward=True, **{"from": TELEGRAM})
    parsed = parse({"update_id": 1, "message": copied}, BOT, NOW)
    assert (parsed.kind, parsed.records, parsed.known) == ("message.automatic_forward", (), True)
    edited = parse({"update_id": 1, "edited_message": {**copied, "edit_date": 1700000060}}, BOT, NOW)
    assert (edited.kind, edited.records, edited.known) == ("edited_message.automatic_forward", (), True)
    comment = posted(chat=GROUP, message_thread_id=8, reply_to_message=copied)
    assert (comment.author.key, comment.thread, comment.mentions_us) == ("telegram:5", None, False)


@pytest.mark.parametrize("stand_in", [TELEGRAM, {"id": 136817688, "is_bot": True, "first_name": "Channel"}])
def test_who_hides_behind_a_channel_is_the_channel(stand_in: Json) -> None:
    event = posted(chat=GROUP, sender_chat=NEWS, **{"from": stand_in})
    assert (event.author.key, event.author.name, event.author.is_bot) == ("telegram:-500", "News", False)
    (edit,) = records(edited_message=message(chat=GROUP, sender_chat=NEWS, edit_date=1, **{"from": stand_in}))
    assert edit.author == event.author
    assert posted(sender_chat=NEWS).author.key == "telegram:5"


def test_an_edit_has_the_edit_date() -> None:
    (event,) = records(edited_message=message(text="new", edit_date=1700000060))
    assert isinstance(event, MessageEdited)
    assert (event.message_key, event.text) == ("telegram:7700:5:8", "new")
    assert event.occurred_at == datetime.fromtimestamp(1700000060, UTC)


def test_reactions_are_the_difference_of_two_lists() -> None:
    thumb, heart, fire = ({"type": "emoji", "emoji": e} for e in ("\N{THUMBS UP SIGN}", "\N{HEAVY BLACK HEART}", "x"))
    reaction = {
        "chat": GROUP,
        "message_id": 8,
        "user": ANNA,
        "date": 1,
        "old_reaction": [thumb, heart],
        "new_reaction": [heart, fire],
    }
    events = records(message_reaction=reaction)
    assert all(isinstance(event, ReactionChanged) for event in events)
    assert [(event.name, event.added) for event in events] == [("\N{THUMBS UP SIGN}", False), ("x", True)]


def test_a_reaction_set_taken_back_and_set_within_a_second_is_three_events() -> None:
    """Telegram's times are whole seconds. An update that is sent again is the event that it was."""
    heart = [{"type": "emoji", "emoji": "\N{HEAVY BLACK HEART}"}]
    reaction = {"chat": GROUP, "message_id": 8, "user": ANNA, "date": 1700000000}
    none: list[Json] = []
    updates = [(10, none, heart), (11, heart, none), (12, none, heart), (12, none, heart)]
    events = [
        records(update_id=number, message_reaction={**reaction, "old_reaction": old, "new_reaction": new})[0]
        for number, old, new in updates
    ]
    assert [event.added for event in events] == [True, False, True, True]
    assert len({event.record_id for event in events[:3]}) == 3
    assert events[3].record_id == events[2].record_id
    assert {event.occurred_at for event in events} == {datetime.fromtimestamp(1700000000, UTC)}


@pytest.mark.parametrize("number", ["abc", 1.5, float("nan"), {}, [], -1, 2**63, 10**300, "9" * 4300])
def test_a_reaction_whose_updates_number_is_none_breaks_its_shape(number: object) -> None:
    heart = [{"type": "emoji", "emoji": "x"}]
    reaction = {"chat": GROUP, "message_id": 8, "user": ANNA, "date": 1, "old_reaction": [], "new_reaction": heart}
    with pytest.raises(ValueError, match="update_id"):
        records(update_id=number, message_reaction=reaction)


@pytest.mark.parametrize("lists", [("old_reaction", "new_reaction"), ("new_reaction", "old_reaction")])
def test_more_reactions_than_telegram_allows_break_its_shape(lists: tuple[str, str]) -> None:
    """Each becomes a record, and hundreds of thousands would keep Kafka for longer than a webhook may take."""
    reaction = {"chat": GROUP, "message_id": 8, "user": ANNA, "date": 1}
    many, none = lists
    for count in (100, 101):
        reaction |= {many: [{"type": "emoji", "emoji": str(number)} for number in range(count)], none: []}
        if count == 100:
            assert len(records(message_reaction=reaction)) == 100
        else:
            with pytest.raises(ValueError, match="too many"):
                records(message_reaction=reaction)


def test_a_button_press_is_an_event_and_an_inline_one_is_not() -> None:
    query = {"id": "9", "from": ANNA, "message": message(), "chat_instance": "1", "data": "faq"}
    (event,) = records(callback_query=query)
    assert isinstance(event, ButtonPressed)
    assert (event.data, event.message_key) == ("faq", "telegram:7700:5:8")
    assert records(callback_query={"id": "9", "from": ANNA, "inline_message_id": "x", "data": "d"}) == ()


def test_both_announcements_of_a_migration_are_one_event() -> None:
    old = {"id": -5, "title": "Club", "type": "group"}
    (first,) = records(message=message(chat=old, migrate_to_chat_id=-100))
    (second,) = records(message=message(chat=GROUP, migrate_from_chat_id=-5))
    assert isinstance(first, ChannelMoved)
    assert first.record_id == second.record_id
    assert (first.record_key, first.channel.key) == ("telegram:7700:-5", "telegram:7700:-100")
    assert second.record_key == first.record_key


@pytest.mark.parametrize(
    "service",
    [
        {"new_chat_members": [ANNA]},
        {"forum_topic_created": {"name": "x", "icon_color": 1}},
        {"pinned_message": {}},
        {"giveaway_created": {}},
        {"delete_chat_photo": True},
        {"video_chat_ended": {"duration": 1}},
        {"successful_payment": {}},
    ],
)
def test_service_messages_carry_nothing_for_us(service: Json) -> None:
    parsed = parse({"update_id": 1, "message": of(**service)}, BOT, NOW)
    assert (parsed.kind, parsed.records, parsed.known) == (f"message.{next(iter(service))}", (), True)


def of(**content: Any) -> Json:
    """A message without text."""
    return {k: v for k, v in message(**content).items() if k != "text"}


VENUE_TEXT = "Cafe, Main St 1 (1.5, 2.5)"
PLACE = {"latitude": 1.5, "longitude": 2.5}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (
            {"checklist": {"title": "Move", "tasks": [{"id": 1, "text": "pack"}, {"id": 2, "text": "go"}]}},
            "[checklist] Move: pack; go",
        ),
        (
            {"poll": {"question": "When?", "options": [{"text": "now", "voter_count": 1}, {"text": "later"}]}},
            "[poll] When?: now; later",
        ),
        ({"venue": {"title": "Cafe", "address": "Main St 1", "location": PLACE}, "location": PLACE}, VENUE_TEXT),
        ({"location": PLACE}, "1.5, 2.5"),
        ({"contact": {"first_name": "Anna", "last_name": "K", "phone_number": "+1"}}, "Anna K +1"),
        ({"contact": {"first_name": "Anna", "phone_number": "+1"}}, "Anna +1"),
        ({"game": {"title": "Chess", "description": "d", "photo": []}}, "[game] Chess"),
        ({"invoice": {"title": "Tea", "currency": "EUR"}}, "[invoice] Tea"),
        ({"paid_media": {"star_count": 1, "paid_media": []}}, "[paid media]"),
        ({"giveaway": {"chats": [], "winner_count": 1, "prize_description": "a car"}}, "[giveaway] a car"),
        ({"giveaway": {"chats": [], "winner_count": 1}}, "[giveaway]"),
        ({"giveaway_winners": {"winner_count": 1}}, "[giveaway winners]"),
        ({"story": {"chat": NEWS, "id": 1}}, "[story] News"),
        ({"dice": {"emoji": "x", "value": 1}}, "x"),
        ({"sticker": {"file_id": "s", "emoji": "y"}}, "y"),
        ({"voice": {"file_id": "v"}}, ""),
        ({"photo": [{"file_id": "p"}], "live_photo": {"file_id": "q"}, "has_media_spoiler": True}, ""),
        ({"hologram": {"title": "A cube"}, "effect_id": "7"}, "[hologram] A cube"),
        ({"hologram": ["?"]}, "[hologram]"),
        ({}, "[unsupported message]"),
    ],
)
def test_content_without_text_is_a_post_that_says_what_it_shows(content: Json, text: str) -> None:
    (event,) = records(message=of(**content))
    assert isinstance(event, MessagePosted)
    assert (event.text, event.record_id) == (text, "telegram:7700:5:8")
    (edit,) = records(edited_message=of(**content, caption="look", edit_date=1))
    assert edit.text == "look"


def test_a_live_location_is_its_first_place_only() -> None:
    """It is edited every few seconds, for up to hours; the last edit has no period any more."""
    live = {**PLACE, "live_period": 3600}
    (event,) = records(message=of(location=live))
    assert event.text == "1.5, 2.5"
    for moved in ({**live, "latitude": 1.6, "heading": 90}, {**PLACE, "latitude": 1.7}):
        parsed = parse({"update_id": 1, "edited_message": of(location=moved, edit_date=1700000060)}, BOT, NOW)
        assert (parsed.kind, parsed.records, parsed.known) == ("edited_message.location", (), True)


BORIS = {"id": 6, "is_bot": False, "first_name": "Boris", "last_name": "B"}


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ({"type": "user", "date": 1, "sender_user": BORIS}, "Boris B"),
        ({"type": "user", "date": 1, "sender_user": {"id": 6, "first_name": "", "username": "bor"}}, "bor"),
        ({"type": "hidden_user", "date": 1, "sender_user_name": "Bo\nris"}, "Bo ris"),
        ({"type": "chat", "date": 1, "sender_chat": GROUP, "author_signature": "x"}, "Club"),
        ({"type": "channel", "date": 1, "chat": NEWS, "message_id": 3}, "News"),
        ({"type": "satellite", "date": 1}, "somebody"),
    ],
)
def test_a_forwarded_message_is_marked_and_its_words_are_not_the_authors(origin: Json, name: str) -> None:
    command = {"type": "bot_command", "offset": 0, "length": 6}
    naming = {"type": "text_mention", "offset": 7, "length": 2, "user": {"id": 9}}
    event = posted(text="/close me", entities=[command, naming], forward_origin=origin)
    assert event.text == f"[forwarded from {name}]\n/close me"
    assert (event.author.key, event.command, event.mentions, event.mentions_us) == ("telegram:5", None, (), False)
    (photo,) = records(message=of(photo=[{"file_id": "p"}], forward_origin=origin))
    assert photo.text == f"[forwarded from {name}]"


def test_what_somebody_forwards_of_their_own_is_theirs() -> None:
    entity = {"type": "bot_command", "offset": 0, "length": 6}
    origin = {"type": "user", "date": 1, "sender_user": ANNA}
    event = posted(text="/close", entities=[entity], forward_origin=origin)
    assert event.text == "/close"
    assert event.command is not None


def test_what_a_reply_quotes_stands_before_it_and_is_not_the_authors() -> None:
    """Offsets count in the message's own text."""
    mention = {"type": "mention", "offset": 7, "length": 8}
    command = {"type": "bot_command", "offset": 0, "length": 6}
    said = {"text": "/close @OknoBot", "entities": [command, mention]}
    quote = {"text": "/help\n\nme", "position": 0, "is_manual": True}
    event = posted(chat=GROUP, **said, quote=quote, reply_to_message={"message_id": 3, "from": BORIS})
    assert event.text == "> /help\n>\n> me\n/close @OknoBot"
    assert event.command is not None
    assert (event.command.name, event.command.arguments, event.mentions_us) == ("close", "@OknoBot", True)
    assert event.reply_to == "telegram:7700:-100:3"
    outside = {"origin": {"type": "channel", "date": 1, "chat": NEWS, "message_id": 3}}
    assert posted(text="why?", quote={"text": "a\nb"}, external_reply=outside).text == "> News: a\n> b\nwhy?"
    assert posted(text="why?", external_reply=outside).text == "why?"


def test_an_edit_says_again_what_is_others_in_it() -> None:
    """Telegram adds a link's preview as an edit: where it changes nothing else the text is the same."""
    fields = {"quote": {"text": "when?"}, "forward_origin": {"type": "user", "date": 1, "sender_user": BORIS}}
    (edit,) = records(edited_message=message(**fields, edit_date=1700000060))
    assert edit.text == posted(**fields).text == "[forwarded from Boris B]\n> when?\nhi"


def test_votes_and_done_tasks_change_no_text() -> None:
    tasks = [{"id": 1, "text": "pack"}]
    done = [{**tasks[0], "completed_by_user": ANNA, "completion_date": 1}]
    first, later = (
        records(edited_message=of(checklist={"title": "Move", "tasks": told}, edit_date=1))[0] for told in (tasks, done)
    )
    assert first.text == later.text


def test_an_animation_is_one_file() -> None:
    """The Bot API tells it as a document too, for older bots."""
    file = {"file_id": "a", "file_name": "cat.mp4", "mime_type": "video/mp4", "file_size": 3}
    (event,) = records(message=of(animation=file, document=file))
    assert [(one.id, one.name) for one in event.attachments] == [("a", "cat.mp4")]


@pytest.mark.parametrize(
    ("where", "ours"),
    [({"chat": PRIVATE}, False), ({"chat": GROUP, "reply_to_message": {"message_id": 3, "from": {"id": 7700}}}, True)],
)
def test_our_name_is_not_waited_for_where_it_decides_nothing(where: Json, ours: bool) -> None:
    said = message(text="@someone hi", entities=[{"type": "mention", "offset": 0, "length": 8}], **where)
    (event,) = parse({"update_id": 1, "message": said}, Bot(7700), NOW).records
    assert isinstance(event, MessagePosted)
    assert event.mentions_us is ours


def test_an_unknown_update_is_named_and_a_known_one_is_not_unknown() -> None:
    assert parse({"update_id": 1, "moon_phase": {}}, BOT, NOW).known is False
    assert parse({"update_id": 1, "my_chat_member": {}}, BOT, NOW).known is True


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"update_id": 1, "message": {"text": "x"}},
        {"update_id": 1, "message": None},
        {"update_id": 1, "message": message(date="x")},
    ],
)
def test_an_update_that_breaks_its_own_shape_raises_what_the_intake_expects(broken: Json) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        parse(broken, BOT, NOW)
