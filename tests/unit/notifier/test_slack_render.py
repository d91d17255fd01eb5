"""CommonMark as Slack's mrkdwn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.chat import Person
from contracts.keys import PersonKey
from services.notifier.markdown import runs_of
from services.notifier.slack.render import MAX_BYTES, escape, render

CONTROL = re.compile(r"<([^<>]*)>")
SIGNS = ["**", "*", "_", "~~", "`", "```\n", "> ", "- ", "1. ", "# ", "[x](", ")", "![", "](", "|", "\\", "&", "<", ">"]
WORDS = ["<!channel>", "<@U1>", "!channel)", "https://a.b/?a=1&b=2", "mailto:a@b.c", "&amp;", "word", "\U0001f600", "é"]
PIECES = st.sampled_from([*SIGNS, *WORDS, "\n", "\n\n", "    ", "\t", " "])
MARKDOWN = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))


def shown(text: str) -> str:
    (content,) = render(text)
    return content.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("a & b < c > d", "a &amp; b &lt; c &gt; d"),
        ("**bold** and *italic* and ~~gone~~", "*bold* and _italic_ and ~gone~"),
        ("**bold\nlines**", "*bold*\n*lines*"),
        ("**a** *b **c***", "*a* _b *c*_"),
        ("use `a<b`", "use `a&lt;b`"),
        ("``a`b``", "a`b"),
        ("```py\nx < 1\n```", "```\nx &lt; 1\n```"),
        ("> quoted\n> more\n\nrest", "> quoted\n> more\n\nrest"),
        ("- one\n- two\n  - deep\n\n1. a\n2. b", "• one\n• two\n    • deep\n\n1. a\n2. b"),
        ("3. c\n4. d", "3. c\n4. d"),
        ("# Title\n\ntext", "*Title*\n\ntext"),
        ("[here](https://a.b/?x=1&y=2)", "<https://a.b/?x=1&amp;y=2|here>"),
        ("[a|b](https://a.b/c|d)", "<https://a.b/c%7Cd|a\u00a6b>"),
        ("<https://a.b>", "<https://a.b|https://a.b>"),
        ("![photo](https://a.b/p.png)", "<https://a.b/p.png|photo>"),
        ("[x](!channel)", "x (!channel)"),
        ("[x](@U1)", "x (@U1)"),
        ("[x](javascript:alert)", "[x](javascript:alert)"),
        ("<!channel> <@U1> <#C1>", "&lt;!channel&gt; &lt;@U1&gt; &lt;#C1&gt;"),
        ("<b>no html</b>", "&lt;b&gt;no html&lt;/b&gt;"),
        ("a\n\n---\n\nb", "a\n\n\u2014\u2014\u2014\n\nb"),
        ("line\nline", "line\nline"),
        ("[nothing]: https://a.b", "[nothing]: https://a.b"),
    ],
)
def test_commonmark_becomes_mrkdwn(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_mentions_come_first() -> None:
    ada, bob = (Person(key=PersonKey(f"slack:U{number}"), name="x") for number in (1, 2))
    assert [one.text for one in render("can you help?", [ada, bob])] == ["<@U1> <@U2> can you help?"]
    assert [one.text for one in render("> said", [ada])] == ["<@U1>\n> said"]
    elsewhere = Person(key=PersonKey("telegram:5"), name="Eve <!here>")
    assert [one.text for one in render("hi", [elsewhere])] == ["@Eve &lt;!here&gt; hi"]


def test_nothing_to_show_is_nothing() -> None:
    assert render(" \n\t ") == []


@settings(deadline=None)
@given(MARKDOWN)
def test_no_text_makes_a_control_sequence_of_its_own(text: str) -> None:
    for content in render(text):
        for sequence in CONTROL.findall(content.text):
            assert sequence.lower().startswith(("http://", "https://", "mailto:", "tel:")), content.text
            assert sequence.count("|") == 1
        assert "<" not in CONTROL.sub("", content.text)


@settings(deadline=None)
@given(MARKDOWN, st.integers(1, 200))
def test_every_message_fits_and_no_word_is_lost(text: str, times: int) -> None:
    long = "\n\n".join([text, "w" * 37] * times)
    contents = render(long)
    assert all(0 < len(content.text.encode()) <= MAX_BYTES for content in contents)
    assert sum(content.text.count("w" * 37) for content in contents) >= min(times, 1)
    assert all(content.text.strip() for content in contents)


def test_long_texts_are_cut_at_paragraphs() -> None:
    paragraphs = [f"{number} " + "x" * 1500 for number in range(5)]
    contents = render("\n\n".join(paragraphs))
    assert [content.text.split("\n\n") for content in contents] == [paragraphs[:2], paragraphs[2:4], paragraphs[4:]]


def test_a_style_goes_on_after_a_cut() -> None:
    contents = render("**" + "word " * 2000 + "end**")
    assert len(contents) > 1
    assert all(content.text.startswith("*") and content.text.endswith("*") for content in contents)


def test_one_endless_word_is_cut_anywhere() -> None:
    contents = render("x" * 10_000)
    assert "".join(content.text for content in contents) == "x" * 10_000


def test_a_style_within_itself_is_marked_once() -> None:
    """Else the marks of a text would take memory with the square of its length."""
    runs = runs_of("*a **a " * 500 + "x" + "a** a*" * 500)
    assert max(len(run.marks) for run in runs) <= 2


@given(st.text())
def test_escaping_can_be_undone(text: str) -> None:
    assert escape(text).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") == text
