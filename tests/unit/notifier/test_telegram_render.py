"""CommonMark as Telegram's text and entities."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chat import Person
from contracts.keys import PersonKey
from sandbox.telegram.entities import finish
from services.notifier.telegram.render import MAX_TEXT, render, utf16_length
from tests.unit.notifier.test_slack_render import MARKDOWN

LITERAL = {"code", "pre"}


def shown(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text, and each entity's type with what it covers."""
    (content,) = render(text)
    units = content.text.encode("utf-16-le")
    covered = []
    for entity in content.entities:
        start, length = int(str(entity["offset"])), int(str(entity["length"]))
        covered.append((str(entity["type"]), units[2 * start : 2 * (start + length)].decode("utf-16-le")))
    return content.text, covered


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **b** *c*", ("a b c", [("bold", "b"), ("italic", "c")])),
        ("\U0001f600 **b\U0001f600**", ("\U0001f600 b\U0001f600", [("bold", "b\U0001f600")])),
        ("**a `b` c**", ("a b c", [("bold", "a "), ("code", "b"), ("bold", " c")])),
        ("```py\nx\n```", ("x", [("pre", "x")])),
        ("> a\n> > b", ("a\n\nb", [("blockquote", "a\n\nb")])),
        ("[**x**](https://a.b)", ("x", [("text_link", "x"), ("bold", "x")])),
        ("[x](tg://user?id=1)", ("x (tg://user?id=1)", [])),
        ("- a\n- b", ("• a\n• b", [])),
        ("<b>&amp;", ("<b>&", [])),
    ],
)
def test_commonmark_becomes_text_with_entities(text: str, expected: tuple[str, list[tuple[str, str]]]) -> None:
    assert shown(text) == expected


def test_a_mention_names_the_person() -> None:
    (content,) = render("look", [Person(key=PersonKey("telegram:5"), name="Ada")])
    assert content.text == "@Ada look"
    assert content.entities[0]["type"] == "text_mention"
    assert content.entities[0]["user"] == {"id": 5, "is_bot": False, "first_name": "-"}
    (elsewhere,) = render("look", [Person(key=PersonKey("slack:U1"), name=None)])
    assert (elsewhere.text, list(elsewhere.entities)) == ("@you look", [])


@settings(deadline=None)
@given(MARKDOWN)
def test_telegram_can_parse_whatever_was_written(text: str) -> None:
    for content in render(text):
        entities: list[dict[str, Any]] = [dict(entity) for entity in content.entities]
        finish(content.text, entities)  # refuses what Telegram refuses
        assert all(entity["length"] > 0 for entity in entities)
        assert all(entity["offset"] + entity["length"] <= utf16_length(content.text) for entity in entities)
        for one, other in combinations(entities, 2):
            first, second = sorted((one, other), key=lambda entity: (entity["offset"], -entity["length"]))
            end = first["offset"] + first["length"]
            nested = second["offset"] + second["length"] <= end
            assert nested or second["offset"] >= end
            if second["offset"] < end:
                assert not {first["type"], second["type"]} & LITERAL
                assert (first["type"], second["type"]) != ("blockquote", "blockquote")


@settings(deadline=None)
@given(MARKDOWN, st.integers(1, 200))
def test_every_message_fits(text: str, times: int) -> None:
    for content in render("\n\n".join([text, "w" * 37] * times)):
        assert 0 < len(content.text) <= MAX_TEXT
        assert content.text.strip()


def test_text_is_counted_in_characters_after_parsing() -> None:
    assert len(render("**" + "\U0001f600" * MAX_TEXT + "**")) == 1
    assert len(render("x" * (MAX_TEXT + 1))) == 2
