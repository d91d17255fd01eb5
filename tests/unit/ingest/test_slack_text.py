"""What a Slack user typed is what a ticket shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.slack.text import escape, mentioned_users, plain_text


@pytest.mark.parametrize(
    ("slack", "plain"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("<@U1> hi", "@U1 hi"),
        ("<@U1|anna> hi", "@anna hi"),
        ("see <#C1|help>", "see #help"),
        ("<!here> and <!channel>", "@here and @channel"),
        ("<!subteam^S1|@mentors>", "@mentors"),
        ("<!date^1392734382^{date}|18 Feb>", "18 Feb"),
        ("<https://a.b/c>", "https://a.b/c"),
        ("<https://a.b/c|here>", "here (https://a.b/c)"),
        ("<http://a.b|a.b>", "http://a.b"),
        ("<mailto:a@b.c|a@b.c>", "a@b.c"),
        ("&lt;@U1&gt; typed", "<@U1> typed"),
    ],
)
def test_control_sequences_become_plain_text(slack: str, plain: str) -> None:
    assert plain_text(slack) == plain


@given(st.text())
def test_whatever_was_typed_comes_back(typed: str) -> None:
    assert plain_text(escape(typed)) == typed


def test_mentions_are_those_of_people_in_order() -> None:
    assert mentioned_users("<@U2> <#C1|x> <@U1|a> <@U2> &lt;@U9&gt;") == ("U2", "U1")
