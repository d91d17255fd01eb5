"""The corpus is read whole, in order, and the expected tickets follow from times and authors."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from sandbox.replay.corpus import Chat, Joined, Left, Notice, Renamed, files, read
from sandbox.replay.expected import CONTINUE_WITHIN, count_tickets
from sandbox.replay.play import Played, Posted
from sandbox.replay.verify import compare


def test_every_line_of_the_corpus_is_read() -> None:
    lines = [line for path in files() for line in read(path)]
    assert len(lines) == 12_500
    assert sum(isinstance(line, Chat) for line in lines) == 11_644


def test_times_only_go_forward() -> None:
    for path in files():
        times = [line.at for line in read(path)]
        assert all(later > earlier for earlier, later in pairwise(times)), path.name


def test_lines_of_each_kind_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "2004-11-15_03.raw.txt"
    path.write_text(
        "[23:59] <anna> hi <all>\n"
        "=== anna is now known as anna_\n"
        "[00:00]  * anna_ waves\n"
        "=== bob [~bob@example.org]  has joined #ubuntu\n"
        "=== bob [~bob@example.org]  has left #ubuntu []\n"
        "=== mode/#ubuntu [+o bob]  by Seveas\n"
        "[00:00] <anna>\n"
    )
    hi, renamed, waves, joined, left, notice, other = read(path)
    assert isinstance(hi, Chat)
    assert hi.text == "hi <all>"
    assert isinstance(renamed, Renamed)
    assert (renamed.former, renamed.nick, renamed.person) == ("anna", "anna_", hi.person)
    assert isinstance(waves, Chat)
    assert (waves.text, waves.action, waves.person) == ("waves", True, hi.person)
    assert waves.at.date() == datetime(2004, 11, 16, tzinfo=UTC).date()
    assert (type(joined), type(left), type(notice)) == (Joined, Left, Notice)
    assert joined.nick == "bob"
    assert isinstance(other, Chat)
    assert (other.text, other.person == hi.person) == ("", False)


def said(person: str, seconds: float) -> Chat:
    return Chat(0, datetime(2004, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), person, person, "x")


def test_a_ticket_ends_with_another_voice_or_a_pause() -> None:
    pause = CONTINUE_WITHIN.total_seconds()
    assert count_tickets([said("a", 0), said("a", pause), said("a", 2 * pause)]) == 1
    assert count_tickets([said("a", 0), said("a", pause + 0.001)]) == 2
    assert count_tickets([said("a", 0), said("b", 1), said("a", 2)]) == 3


def test_what_is_missing_doubled_or_different_is_named() -> None:
    played = Played(Path("x.raw.txt"), names={"U1": "anna"})
    played.posts = [
        Posted(Chat(n, said("a", n).at, "p1", "anna", f"text {n}"), "C1", f"{n}.000000", "U1") for n in range(4)
    ]

    def message(n: int, text: str, name: str = "anna") -> dict[str, object]:
        return {
            "source": {"message_key": f"slack:C1:{n}.000000"},
            "text": text,
            "author": {"key": "slack:U1", "name": name},
        }

    messages = [
        message(0, "text 0"),
        message(1, "text 1"),
        message(1, "text 1"),
        message(2, "other"),
        message(9, "new"),
    ]
    assert compare(played, messages) == [
        "x.raw.txt:2 is there 2 times",
        "x.raw.txt:3 has another text",
        "x.raw.txt:4 is there 0 times",
        "x.raw.txt: slack:C1:9.000000 is no line of it",
    ]
    assert compare(played, [message(n, f"text {n}", "bob" if n == 2 else "anna") for n in range(4)]) == [
        "x.raw.txt:3 has an author named 'bob' instead of 'anna'"
    ]
