"""Markup is parsed and refused as Telegram does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.telegram.entities import find_entities, finish, trim, utf16_length
from sandbox.telegram.errors import ApiError
from sandbox.telegram.html_markup import parse_html
from sandbox.telegram.markdown_markup import parse_markdown_v2


def entity(kind: str, offset: int, length: int, **extra: str) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **extra}


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        ("plain &lt;&amp;&gt;&quot;&#33;&#x41;", 'plain <&>"!A', []),
        ("&nbsp; & co", "&nbsp; & co", []),
        ("<b>😀</b><i>x</i>", "😀x", [entity("bold", 0, 2), entity("italic", 2, 1)]),
        ("<b>a<i>b</i></b>", "ab", [entity("bold", 0, 2), entity("italic", 1, 1)]),
        ('<a href="https://x.org/?a=1&amp;b=2">x</a>', "x", [entity("text_link", 0, 1, url="https://x.org/?a=1&b=2")]),
        ("<a>no link</a>", "no link", []),
        ('<pre><code class="language-py">x</code></pre>', "x", [entity("pre", 0, 1, language="py")]),
        (
            "<u>a</u><s>b</s><code>c</code>",
            "abc",
            [entity("underline", 0, 1), entity("strikethrough", 1, 1), entity("code", 2, 1)],
        ),
        (
            '<span class="tg-spoiler">a</span><tg-spoiler>b</tg-spoiler>',
            "ab",
            [entity("spoiler", 0, 1), entity("spoiler", 1, 1)],
        ),
        ("<blockquote expandable>q</blockquote>", "q", [entity("expandable_blockquote", 0, 1)]),
        ("<b></b>x", "x", []),
        ("<B>x</B>", "x", [entity("bold", 0, 1)]),
    ],
)
def test_html(source: str, text: str, entities: list[dict[str, Any]]) -> None:
    assert parse_html(source) == (text, entities)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("a < b", "Unclosed start tag at byte offset 2"),
        ("я<x>", 'Unsupported start tag "x" at byte offset 2'),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("x</b>", "Unexpected end tag at byte offset 1"),
        ("<b>x</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
        ("<b><i>x</b></i>", 'Unmatched end tag at byte offset 7, expected "</i>", found "</b>"'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_html_that_is_none(source: str, reason: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_html(source)

    assert raised.value.description == f"Bad Request: can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("source", "text", "entities"),
    [
        (r"a\.b\\c", r"a.b\c", []),
        ("*b* _i_", "b i", [entity("bold", 0, 1), entity("italic", 2, 1)]),
        (
            "__u__ ~s~ ||p||",
            "u s p",
            [entity("underline", 0, 1), entity("strikethrough", 2, 1), entity("spoiler", 4, 1)],
        ),
        ("*b _i_*", "b i", [entity("bold", 0, 3), entity("italic", 2, 1)]),
        (r"`a*b\`c`", "a*b`c", [entity("code", 0, 5)]),
        ("```py\nx = 1\n```", "x = 1\n", [entity("pre", 0, 6, language="py")]),
        ("```\nx\n```", "x\n", [entity("pre", 0, 2)]),
        (r"[x](https://x.org/a\)b)", "x", [entity("text_link", 0, 1, url="https://x.org/a)b")]),
        ("[x]", "x", []),
        ("![👍](tg://emoji?id=5)", "👍", [entity("custom_emoji", 0, 2, custom_emoji_id="5")]),
        (">a\n>b\nc", "a\nb\nc", [entity("blockquote", 0, 3)]),
        (">a\n>b||", "a\nb", [entity("expandable_blockquote", 0, 3)]),
    ],
)
def test_markdown_v2(source: str, text: str, entities: list[dict[str, Any]]) -> None:
    assert parse_markdown_v2(source) == (text, entities)


@pytest.mark.parametrize("char", list(">#+-=|{}.!()]"))
def test_a_reserved_character_is_refused(char: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_markdown_v2(f"a {char} b")

    assert f"Character '{char}' is reserved and must be escaped" in raised.value.description
    assert parse_markdown_v2(f"a \\{char} b") == (f"a {char} b", [])


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("я *b", "Can't find end of Bold entity at byte offset 3"),
        ("`c", "Can't find end of Code entity at byte offset 0"),
        ("*a _b* c_", "Can't find end of Italic entity at byte offset 3"),
        ("[x](http", "Can't find end of a URL at byte offset 3"),
        ("![x](http://x)", "Custom emoji entity must contain a tg://emoji URL"),
    ],
)
def test_markdown_v2_that_is_none(source: str, reason: str) -> None:
    with pytest.raises(ApiError) as raised:
        parse_markdown_v2(source)

    assert raised.value.description == f"Bad Request: can't parse entities: {reason}"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("/start abc", [("bot_command", 0, 6)]),
        ("do /close@okno_bot now", [("bot_command", 3, 15)]),
        ("a/b and 1/2", []),
        ("😀 @okno_bot", [("mention", 3, 9)]),
        ("mail a.b@x.org or https://x.org/a?b=1.", [("email", 5, 9), ("url", 18, 19)]),
        ("see example.org, #tag and #1", [("url", 4, 11), ("hashtag", 17, 4)]),
    ],
)
def test_entities_that_telegram_finds(text: str, found: list[tuple[str, int, int]]) -> None:
    assert [(e["type"], e["offset"], e["length"]) for e in find_entities(text)] == found


def test_trimming_moves_and_cuts_entities() -> None:
    assert trim(" 😀 a \r\n", [entity("bold", 0, 4), entity("italic", 6, 1)]) == ("😀 a", [entity("bold", 0, 3)])


PIECES = [*'ab \n😀<>/&;="*_~|`[]()!\\>.#@:', "<b>", "</b>", "<pre>", "&lt;", "||", "```", "](http://x)"]
MARKUP = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)


@given(source=MARKUP, parse=st.sampled_from([parse_html, parse_markdown_v2]))
def test_whatever_is_written_is_parsed_or_refused(source: str, parse: Callable[[str], tuple[str, list[Any]]]) -> None:
    """Entities lie inside of the text."""
    try:
        text, entities = parse(source)
        content = finish(text, entities)
    except ApiError:
        return  # any other exception would be a fault of the parser
    end = utf16_length(content["text"])
    spans = [(e["offset"], e["length"]) for e in content.get("entities", [])]
    assert content["text"] == content["text"].strip() != ""
    assert all(start >= 0 and length > 0 and start + length <= end for start, length in spans)
