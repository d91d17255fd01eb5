"""Escaping, mentions and links: nothing typed becomes markup, and everything can be read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.slack.text import MARKUP, escape, mentioned, posted, rich_text, typed, unescape


@given(st.text())
def test_escaping_is_reversible_and_leaves_no_markup(text: str) -> None:
    assert unescape(escape(text)) == text
    assert not MARKUP.search(escape(text))


@given(st.text(alphabet="<>&@!#|UC19:/htps. ab;lg", max_size=40))
def test_typed_text_holds_no_markup_but_links(text: str) -> None:
    assert all(match.group(1).startswith("http") for match in MARKUP.finditer(typed(text)))


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("a <b> & c", "a &lt;b&gt; &amp; c"),
        ("see https://x.io/?a=1&b=2.", "see <https://x.io/?a=1&amp;b=2>."),
        ("(http://x.io)", "(<http://x.io>)"),
        ("@anna @annabel a@anna.io", "<@U1> @annabel a@anna.io"),
        ("@anna b & @anna", "<@U1> b &amp; <@U1>"),
        ("https://x.io/@anna", "<https://x.io/@anna>"),
        ("<@U2> <!channel>", "&lt;@U2&gt; &lt;!channel&gt;"),
    ],
)
def test_typed(text: str, wire: str) -> None:
    assert typed(text, {"anna": "U1"}) == wire


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("a & b", "a &amp; b"),
        ("a &amp; b", "a &amp; b"),
        ("1 < 2 > 1", "1 &lt; 2 &gt; 1"),
        (
            "<@U1> <!here> <#C1|x> <https://x.io|y> <mailto:a@b.c|m>",
            "<@U1> <!here> <#C1|x> <https://x.io|y> <mailto:a@b.c|m>",
        ),
        ("https://x.io/a&gt; b", "<https://x.io/a>&gt; b"),
        ("<script>", "&lt;script&gt;"),
    ],
)
def test_posted(text: str, wire: str) -> None:
    assert posted(text) == wire


@given(st.text(alphabet="<>&@!#|UC19:/htps. ab;lg", max_size=40))
def test_posting_what_was_posted_changes_nothing(text: str) -> None:
    assert posted(posted(text)) == posted(text)


def test_rich_text_says_the_same_structured() -> None:
    text = "hi <@U1>, &lt;see&gt; <https://x.io|x> in <#C1|general> :tada: <!here> <!subteam^S1>"
    (section,) = rich_text(text, "b1")["elements"]
    assert section["elements"] == [
        {"type": "text", "text": "hi "},
        {"type": "user", "user_id": "U1"},
        {"type": "text", "text": ", <see> "},
        {"type": "link", "url": "https://x.io", "text": "x"},
        {"type": "text", "text": " in "},
        {"type": "channel", "channel_id": "C1"},
        {"type": "text", "text": " "},
        {"type": "emoji", "name": "tada"},
        {"type": "text", "text": " "},
        {"type": "broadcast", "range": "here"},
        {"type": "text", "text": " "},
        {"type": "usergroup", "usergroup_id": "S1"},
    ]


def test_a_mention_is_of_the_whole_id() -> None:
    assert mentioned("<@U12> and <@U1|anna>", "U1")
    assert not mentioned("<@U12>", "U1")
