"""Each leak that is put into what a sound stack writes is found, named, and shown without its secret."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from chaos import written
from chaos.facts import Told
from chaos.search import Search
from chaos.traffic import Town, acts
from contracts.topics import dead_topic

SECRETS = {
    "Slack's bot token": "xoxb-17653672481-pdFZKVeTuE8sk7oO",
    "Telegram's bot token": "7700:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc",
    "the database's password": "pass/word+of 1 database",
}
SLACK, TELEGRAM, PASSWORD = SECRETS.values()
LINE = b'{"msg":"batch_committed","records":12,"source":"router","process":"router-0"}\n'
EVENTS, DEAD = "chat.events.v1", dead_topic("chat.events.v1")


def text() -> str:
    """Something that a person writes in a campaign."""
    return next(act.text for act in acts(1, Town(), 25.0) if act.text)


def searched(data: bytes, *, people: bool = True) -> list[Told]:
    search = Search(SECRETS)
    search.look("log", "router-0.log", data, people=people)
    return search.told


def log_line(words: str) -> bytes:
    return LINE * 2 + b'{"msg":"library","text":"it says %s there"}\n' % words.encode() + LINE


def test_lines_with_nothing_to_hide_tell_nothing() -> None:
    assert searched(LINE * 100) == []


@pytest.mark.parametrize("what", SECRETS)
@pytest.mark.parametrize(
    "form",
    [str, lambda secret: quote(secret, safe=""), lambda secret: f"\\x{secret.encode().hex()}"],
    ids=["as it is", "percent-encoded", "in hexadecimal"],
)
def test_a_secret_is_named_with_its_line_and_never_shown(what: str, form: Callable[[str], str]) -> None:
    [one] = searched(log_line(form(SECRETS[what])), people=False)
    assert (one.what, one.line, one.times) == (what, 3, 1)
    assert "it says" in one.shown
    assert "***" in one.shown
    tail = SECRETS[what].rpartition(":")[2]
    assert tail not in one.shown
    assert tail.encode().hex() not in one.shown


def test_every_text_of_a_campaign_is_found_and_a_piece_of_one_too() -> None:
    texts = [act.text for act, _ in zip(acts(3, Town(), 25.0), range(500), strict=False) if act.text]
    for one in texts:
        assert searched(log_line(one)), one
    chance = random.Random(1)
    for one in texts:
        words = one.split()[:-1]
        begin = chance.randrange(max(1, len(words) - 1))
        if len(words) - begin >= 2 and not words[begin + 1].startswith("e"):
            assert searched(log_line(" ".join(words[begin : begin + 2]))), one


@pytest.mark.parametrize("name", ["Person 17", "person.17", "Agent 3"])
def test_a_name_is_found(name: str) -> None:
    assert [one.what for one in searched(log_line(name))] == ["a name"]


def test_words_are_left_alone_where_they_belong() -> None:
    assert searched(log_line(text()), people=False) == []


def test_a_leak_in_every_line_is_told_once() -> None:
    [one] = searched(log_line(SLACK) * 50)
    assert one.times == 50


def test_a_secret_that_is_too_short_to_be_looked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="less than 8"):
        Search({"the database's password": "okno"})


@dataclass(frozen=True)
class Record:
    """What is read from a topic."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = (("ce_id", b"slack:C1:1.1"), ("traceparent", None))


def logs(folder: Path, name: str, content: bytes, spans: bytes = b"") -> list[Told]:
    (folder / "spans.jsonl").write_bytes(spans)
    (folder / "router-0.log").write_bytes(LINE)
    (folder / name).write_bytes(content)
    search = Search(SECRETS)
    written.files(search, folder, folder / "spans.jsonl")
    return search.told


def said_of(*lines: dict[str, Any]) -> list[Told]:
    search = Search(SECRETS)
    written.seen(search, [{"what": "holds", "process": "router-0"}, *lines])
    return search.told


def topic(name: str, *records: Record) -> list[Told]:
    search = Search(SECRETS)
    written.topics(search, {name: [Record(b"slack:C1", b"{}"), Record(None, None), *records]})
    return search.told


def test_a_text_in_a_log_of_okno_is_found_and_one_in_the_log_of_postgresql_is_not(tmp_path: Path) -> None:
    [one] = logs(tmp_path, "router-1.log", log_line(text()))
    assert (one.kind, one.place, one.what) == ("log", "router-1.log", "a text")
    (tmp_path / "router-1.log").unlink()
    assert logs(tmp_path, "postgres.log", log_line(text())) == []


@pytest.mark.parametrize("name", ["router-1.log", "postgres.log", "kafka.log", "sandbox.log"])
def test_a_secret_in_any_log_is_found(tmp_path: Path, name: str) -> None:
    [one] = logs(tmp_path, name, log_line(PASSWORD))
    assert (one.place, one.what, one.line) == (name, "the database's password", 3)


@pytest.mark.parametrize("leak", [text(), f"https://api.telegram.org/bot{TELEGRAM}/sendMessage"])
def test_a_span_that_tells_is_found(tmp_path: Path, leak: str) -> None:
    span = orjson.dumps({"name": "call", "attributes": [{"key": "url", "value": {"stringValue": leak}}]})
    [one] = logs(tmp_path, "router-1.log", LINE, span)
    assert (one.kind, one.line) == ("span", 1)


def test_a_secret_on_a_command_line_is_found() -> None:
    [one] = said_of({"what": "command line", "pid": 17, "shown": f"python -m cli run notifier --token {SLACK}"})
    assert (one.kind, one.place, one.what) == ("command line", "17", "Slack's bot token")


def test_a_secret_in_an_answer_of_the_api_is_found_and_words_may_be_there() -> None:
    assert said_of({"what": "acknowledged", "act": 5, "answer": text()}) == []
    [one] = said_of({"what": "failed", "act": 5, "answer": f'{{"detail":"can\'t log in as okno:{PASSWORD}"}}'})
    assert (one.kind, one.place) == ("answer", "to act 5")


def test_words_belong_into_a_record_and_secrets_do_not() -> None:
    assert topic(EVENTS, Record(b"slack:C1", text().encode())) == []
    [one] = topic(EVENTS, Record(b"slack:C1", b"a\nb"), Record(b"slack:C1", SLACK.encode()))
    assert (one.kind, one.place, one.line) == ("topic", EVENTS, 4)


def test_a_dead_letter_keeps_words_and_does_not_say_them_as_its_cause() -> None:
    assert topic(DEAD, Record(b"slack", text().encode(), (("okno-dead-error", b"KeyError"),))) == []
    [one] = topic(DEAD, Record(b"slack", b"{}", (("okno-dead-error", text().encode()),)))
    assert (one.kind, one.what) == ("dead letter", "a text")
    [raw] = topic(DEAD, Record(b"slack", f'{{"token":"{SLACK}"}}'.encode()))
    assert (raw.place, raw.what) == (DEAD, "Slack's bot token")


class Database:
    """Answers the questions of `tables` with rows as COPY writes them."""

    def __init__(self, rows: bytes, dead: bytes) -> None:
        self.rows = rows
        self.dead = dead

    async def fetch(self, _: str) -> list[tuple[str, str]]:
        return [("ticketing", "messages")]

    async def copy_from_table(self, _: str, *, schema_name: str, output: Any) -> None:
        output.write(self.rows)

    async def copy_from_query(self, _: str, *, output: Any) -> None:
        output.write(self.dead)


@pytest.mark.parametrize(
    ("rows", "dead", "told"),
    [
        (text(), "1\tpoison\tKeyError", []),
        (f"1\t\\\\x{SLACK.encode().hex()}", "", [("table", "ticketing.messages", "Slack's bot token")]),
        ("", f"1\tpoison\tValueError: {text()}", [("dead letter", "ticketing.dead_letters", "a text")]),
    ],
)
async def test_tables_are_searched(rows: str, dead: str, told: list[tuple[str, str, str]]) -> None:
    search = Search(SECRETS)
    database: Any = Database(rows.encode(), dead.encode())
    await written.tables(search, database)
    assert [(one.kind, one.place, one.what) for one in search.told] == told


async def test_a_metric_that_tells_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(url: str) -> tuple[int, str]:
        return 200, f'okno_x_total{{cause="{text()}"}} 1\n' if url.endswith("metrics") else "ready"

    monkeypatch.setattr(written, "get", get)
    info: Any = SimpleNamespace(metrics={"router-0": "http://127.0.0.1:1/metrics"})
    search = Search(SECRETS)
    await written.metrics(search, info)
    assert [(one.kind, one.place) for one in search.told] == [("metrics", "router-0 metrics")]
