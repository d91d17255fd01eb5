"""Which rules hold in a channel."""

import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from contracts.chat import ChannelType
from contracts.desk_policy_v1 import Match, OpenOn, Policy, PolicyPublished
from services.router.policy import BUILT_IN, ReadyPolicy, matches, rules_for, whole_words
from tests.unit.router.makers import COURSE, DIALOG, DIRECT, GROUP, policy


def test_the_built_in_policy_has_the_designs_windows() -> None:
    rules = BUILT_IN.channel(COURSE).rules
    assert BUILT_IN.version == 0
    assert (rules.continue_within, rules.reopen_within) == (timedelta(minutes=3), timedelta(hours=72))
    assert rules.open_on is OpenOn.MESSAGE


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ({"platform": "slack"}, True),
        ({"platform": "telegram"}, False),
        ({"workspace": "T01"}, True),
        ({"workspace": "T02"}, False),
        ({"channel": "slack:C0*"}, True),
        ({"channel": "slack:D*"}, False),
        ({"name": "course-*"}, True),
        ({"name": "COURSE-*"}, True),
        ({"name": "lobby"}, False),
        ({"type": "public"}, True),
        ({"type": "dialog"}, False),
        ({"platform": "slack", "name": "course-*", "type": "private"}, False),
    ],
)
def test_all_given_fields_must_match(match: dict[str, Any], holds: bool) -> None:
    assert matches(Match.model_validate(match), COURSE) == holds


def test_a_channel_without_a_name_has_its_profiles() -> None:
    match = Match(name="course-*")
    unnamed = COURSE.model_copy(update={"name": None})
    assert not matches(match, unnamed)
    assert matches(match, unnamed, "course-go")


def test_later_overrides_win_and_replace_only_what_they_give() -> None:
    document = Policy.model_validate(
        {
            "defaults": {"queue": "support", "tags": ["chat"]},
            "overrides": [
                {"match": {"platform": "slack"}, "queue": "slack", "open_on": "mention"},
                {"match": {"type": "dialog"}, "open_on": "message", "tags": []},
            ],
        }
    )
    course, direct, dialog = (rules_for(document, channel) for channel in (COURSE, DIRECT, DIALOG))
    assert (course.queue, course.open_on, course.tags) == ("slack", OpenOn.MENTION, ("chat",))
    assert (direct.queue, direct.open_on, direct.tags) == ("slack", OpenOn.MESSAGE, ())
    assert (dialog.queue, dialog.open_on, dialog.tags) == ("support", OpenOn.MESSAGE, ())


def test_rules_are_found_anew_when_a_channel_gets_its_name_or_type() -> None:
    ready = policy(
        overrides=[{"match": {"name": "vip*"}, "queue": "vip"}, {"match": {"type": "forum"}, "queue": "topics"}]
    )
    assert ready.channel(GROUP).rules.queue == "support"
    assert ready.channel(GROUP, "vip-lounge").rules.queue == "vip"
    assert ready.channel(GROUP.model_copy(update={"type": ChannelType.FORUM})).rules.queue == "topics"


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (["c++"], "is it c++?", True),
        (["c++"], "objc++", False),
        (["возврат"], "где мой ВОЗВРАТ?", True),
        (["возврат"], "возвраты", False),
        (["  "], "anything", False),
        ([], "anything", False),
        (["a.b"], "axb", False),
    ],
)
def test_words(words: list[str], text: str, found: bool) -> None:
    pattern = whole_words(words)
    assert (pattern is not None and pattern.search(text) is not None) == found


@pytest.mark.parametrize(
    "document",
    [
        {"defaults": {"queue": "a\x1fb"}},
        {"defaults": {"queue": " "}},
        {"defaults": {"queue": "q" * 101}},
        {"defaults": {"tags": ["a\u0085b"]}},
        {"defaults": {"tags": [""]}},
        {"defaults": {"keywords": ["a\tb"]}},
        {"defaults": {"bots": ["B1\n"]}},
        {"overrides": [{"match": {"channel": "slack:\x7f*"}}]},
        {"overrides": [{"match": {"platform": "slack"}, "tags": ["a\x1fb"]}]},
        {"answers": [{"name": "a", "text": "\x00", "words": ["b"]}]},
        {"answers": [{"name": "a", "text": "b", "commands": ["c\r"]}]},
    ],
)
def test_a_policy_with_such_words_is_not_applied_but_stays_readable(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Policy.to_apply(document)
    assert Policy.model_validate(document) == Policy.model_validate_json(
        Policy.model_validate(document).model_dump_json()
    )


LATER: dict[str, Any] = {
    "defaults": {"queue": "support", "colour": "red"},
    "overrides": [
        {"match": {"platform": "slack", "topic": "x"}, "queue": "far too many"},
        {"match": {"topic": "x"}, "queue": "everybody"},
        {"match": {"platform": "slack"}, "tags": ["slack"], "snooze": "2d"},
    ],
    "answers": [{"name": "a", "text": "b", "patterns": ["c.*"]}],
    "holidays": ["2026-12-31"],
}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"defaults": {"colour": "red"}}, "defaults.colour: Extra inputs are not permitted"),
        ({"overrides": [LATER["overrides"][2]]}, "overrides.0.snooze: Extra inputs are not permitted"),
        ({"overrides": [LATER["overrides"][1]]}, "overrides.0.match.topic: Extra inputs are not permitted"),
        ({"holidays": []}, "holidays: Extra inputs are not permitted"),
        ({"answers": [{"name": "a", "text": "b"}]}, "answers.0: Value error, answer 'a' never fires"),
    ],
)
def test_a_policy_with_a_field_that_there_is_not_is_not_applied(document: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Policy.to_apply(document)
    faults = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in refused.value.errors()]
    assert any(told in fault for fault in faults), faults


def test_a_policy_of_a_later_version_is_read_and_kept_whole() -> None:
    said = {"version": 7, "document": LATER, "applied_at": "2026-05-21T15:00:00Z", "applied_by": "tests"}
    read = PolicyPublished.model_validate_json(json.dumps(said))
    stored = read.document.model_dump_json(exclude_unset=True)
    assert json.loads(stored) == LATER
    document = Policy.model_validate_json(stored)
    assert document == read.document
    rules = rules_for(document, COURSE)
    assert (rules.queue, rules.tags) == ("support", ("slack",)), "a match that isn't understood matches nothing"
    assert ReadyPolicy(7, document).channel(COURSE).answer("c", None) is None


def test_an_answer_s_text_may_have_lines_and_names_any_alphabet() -> None:
    answer = {"name": "a", "text": "One\n\n\ttwo\r\n", "words": ["цена", "\N{SNOWMAN}"]}
    Policy.to_apply({"defaults": {"queue": "Ночная смена", "tags": ["café", "\N{SNOWMAN}"]}, "answers": [answer]})
