"""The corpus as lines with a time and a person. Pure: a file's text in, lines out.

The files have minutes only: lines of one minute follow each other by milliseconds, so that their order is kept and two
lines a minute apart are about a minute apart. A nick that is renamed stays the same person.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent / "support-chat"

_CHAT = re.compile(r"\[(\d\d):(\d\d)\] <([^>]+)> ?(.*)", re.DOTALL)
_ACTION = re.compile(r"\[(\d\d):(\d\d)\]\s+\* ?(\S+) ?(.*)", re.DOTALL)
_SYSTEM = re.compile(r"=== (\S+) (?:\[.*?\] +)?(has joined|has left|is now known as)(?: (\S+))?")
_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Line:
    """`person` is stable over renames: the file's number for whoever speaks. `nick` is the name at that time."""

    number: int
    at: datetime
    person: str
    nick: str


@dataclass(frozen=True, slots=True)
class Chat(Line):
    """Somebody says something; `action` is IRC's `/me`."""

    text: str
    action: bool = False


@dataclass(frozen=True, slots=True)
class Joined(Line):
    """Somebody comes into the channel."""


@dataclass(frozen=True, slots=True)
class Left(Line):
    """Somebody leaves the channel."""


@dataclass(frozen=True, slots=True)
class Renamed(Line):
    """Somebody takes another name; `nick` is the new one."""

    former: str


@dataclass(frozen=True, slots=True)
class Notice(Line):
    """A system line of another kind (modes, old clients' actions): nothing that a chat platform would show."""


def files() -> list[Path]:
    return sorted(FOLDER.glob("*.raw.txt"))


def channel_name(path: Path) -> str:
    """One Slack channel a file: `2004-11-15_03.raw.txt` -> `ubuntu-2004-11-15-03`."""
    return f"ubuntu-{path.name.removesuffix('.raw.txt').replace('_', '-')}"


def read(path: Path, limit: int | None = None) -> Iterator[Line]:
    """The lines of a file, each with its person and a strictly later time than the one before."""
    now = datetime.fromisoformat(path.name[:10]).replace(tzinfo=UTC)
    last = now - _STEP
    people = _People()
    with path.open(encoding="utf-8", newline="\n") as lines:
        for number, raw in enumerate(lines):
            if limit is not None and number >= limit:
                return
            text = raw.rstrip("\n")
            match = _CHAT.fullmatch(text) or _ACTION.fullmatch(text)
            if match is None:
                last += _STEP
                yield _system(number, last, text, people)
                continue
            now = _next_time(now, int(match[1]), int(match[2]))
            last = max(now, last + _STEP)
            nick = match[3]
            yield Chat(number, last, people.who(nick), nick, match[4], action=match.re is _ACTION)


def _next_time(now: datetime, hour: int, minute: int) -> datetime:
    """The clock only goes forward: an earlier hour is the next day's, and a minute that runs back by a little stays."""
    then = now.replace(hour=hour, minute=minute)
    if then < now - timedelta(hours=12):
        then += timedelta(days=1)
    return max(then, now)


def _system(number: int, at: datetime, text: str, people: "_People") -> Line:
    match = _SYSTEM.match(text)
    if match is None:
        return Notice(number, at, "", "")
    nick, what, new = match[1], match[2], match[3]
    if what == "is now known as" and new:
        return Renamed(number, at, people.rename(nick, new), new, former=nick)
    person = people.who(nick)
    return Joined(number, at, person, nick) if what == "has joined" else Left(number, at, person, nick)


class _People:
    """Who carries which nick now."""

    def __init__(self) -> None:
        self._by_nick: dict[str, str] = {}
        self._count = 0

    def who(self, nick: str) -> str:
        if nick not in self._by_nick:
            self._count += 1
            self._by_nick[nick] = f"p{self._count}"
        return self._by_nick[nick]

    def rename(self, old: str, new: str) -> str:
        """The new nick is this person's from now on, whoever had it before."""
        person = self.who(old)
        del self._by_nick[old]
        self._by_nick[new] = person
        return person
