"""Finds what must not be told in what a running stack writes: secrets anywhere, people's words and names where only ids
belong.

Secrets are looked for as they are, percent-encoded and in hexadecimal (PostgreSQL shows bytes so); of one with a colon
the part after it. Words are found by any two that follow each other in a text of a campaign, so a piece is enough.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from chaos.facts import Told
from chaos.traffic import WORDS
from sandbox.stack.info import StackInfo

SHORTEST = 8
"""A shorter secret would be found everywhere."""
CONTEXT = 160
_WORD = b"(?:%s)" % b"|".join(word.encode() for word in WORDS)
PEOPLE: Mapping[str, re.Pattern[bytes]] = {
    "a text": re.compile(rb"\b%s(?: |\+|%%20)%s\b" % (_WORD, _WORD)),
    "a name": re.compile(rb"\b(?:[Pp]erson[ .]|Agent )\d+\b"),
}
"""What chaos.traffic writes, and the names that chaos.town gives."""


def secrets_of(info: StackInfo) -> dict[str, str]:
    """The secrets of a stack, by what they are."""
    password = urlsplit(info.postgres.dsn).password or ""
    return {
        "Slack's signing secret": info.slack.signing_secret,
        "Slack's bot token": info.slack.bot_token,
        "Slack's app token": info.slack.app_token,
        "Slack's verification token": info.slack.verification_token,
        "Telegram's bot token": info.telegram.bot_token,
        "Telegram's secret token": info.telegram.secret_token,
        "a token of the API": info.ticketing_api.token,
        "the database's password": unquote(password),
    }


class Search:
    """Collects what was told, the first of each kind in each place, and how many bytes of each kind were searched."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        """ValueError for a secret too short to be looked for."""
        for what, secret in secrets.items():
            if len(secret) < SHORTEST:
                raise ValueError(f"{what} has less than {SHORTEST} characters")
        self._forms = {what: sorted(_forms(secret), key=len, reverse=True) for what, secret in secrets.items()}
        every = sorted((form for forms in self._forms.values() for form in forms), key=len, reverse=True)
        self._masked = re.compile(b"|".join(map(re.escape, every)))
        self.told: list[Told] = []
        self.searched: Counter[str] = Counter()

    def look(self, kind: str, place: str, data: bytes, *, people: bool) -> None:
        """Search lines; `people`: words and names of people don't belong here either."""
        self.searched[kind] += len(data)
        for what, forms in self._forms.items():
            places = [at for form in forms if (at := data.find(form)) >= 0]
            if places:
                self._tell(kind, place, data, what, min(places), sum(map(data.count, forms)))
        for what, pattern in PEOPLE.items() if people else ():
            first = pattern.search(data)
            if first is not None:
                times = sum(1 for _ in pattern.finditer(data))
                self._tell(kind, place, data, what, first.start(), times)

    def _tell(self, kind: str, place: str, data: bytes, what: str, at: int, times: int) -> None:
        begin, end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
        before, after = data[begin:at], data[at : len(data) if end < 0 else end]
        shown = [self._masked.sub(b"***", part).decode(errors="replace") for part in (before, after)]
        number = data.count(b"\n", 0, at) + 1
        self.told.append(Told(kind, place, number, what, shown[0][-CONTEXT:] + shown[1][:CONTEXT], times))


def _forms(secret: str) -> Iterator[bytes]:
    tail = secret.rpartition(":")[2]
    known = tail if len(tail) >= SHORTEST else secret
    return iter({known.encode(), quote(known, safe="").encode(), known.encode().hex().encode()})
