"""Everything that a campaign's stack wrote, given to the search: what a log collector, a trace page, a neighbour on the
machine or a reader of Kafka and PostgreSQL could see.

Words and names of people don't belong into the logs of Okno's processes; the simulated platforms and the servers are
searched for secrets only: PostgreSQL's log may quote a row that it refused. An answer of the API goes to the one whose
words it may quote, so there, in topics and in tables only secrets are looked for.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg

from chaos.nemesis_plan import PROCESSES
from chaos.search import Search
from contracts.topics import TOPICS, dead_topic
from sandbox.stack.info import StackInfo
from sandbox.stack.web import get

Json = dict[str, Any]
TOPIC_NAMES = tuple(name for topic in TOPICS for name in (topic, dead_topic(topic)))
_TABLES = """
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2"""
_DEAD = "SELECT id, cause, error, reason, encode(headers, 'escape') FROM ticketing.dead_letters ORDER BY id"


def files(search: Search, logs: Path, spans: Path) -> None:
    for path in sorted(logs.glob("*.log")):
        search.look("log", path.name, path.read_bytes(), people=path.stem in PROCESSES)
    search.look("span", spans.name, spans.read_bytes(), people=True)


def seen(search: Search, lines: Iterable[Json]) -> None:
    """What the campaign's log says of command lines (the place is the process's id) and of the API's refusals."""
    for line in lines:
        if line["what"] == "command line":
            search.look("command line", str(line["pid"]), line["shown"].encode(), people=True)
        elif "answer" in line:
            search.look("answer", f"to act {line['act']}", line["answer"].encode(), people=False)


def topics(search: Search, records: Mapping[str, Sequence[Any]]) -> None:
    """Lines are records. Headers hold ids; those of dead letters also say why."""
    for topic, listed in records.items():
        values = (b"%s %s" % (record.key or b"", record.value or b"") for record in listed)
        search.look("topic", topic, b"\n".join(one.replace(b"\n", b" ") for one in values), people=False)
        headers = (b" ".join(b"%s=%s" % (name.encode(), value or b"") for name, value in one.headers) for one in listed)
        kind = "topic" if topic in TOPICS else "dead letter"
        search.look(kind, f"{topic} headers", b"\n".join(headers), people=True)


async def tables(search: Search, connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Lines are rows."""
    for schema, table in await connection.fetch(_TABLES):
        rows = io.BytesIO()
        await connection.copy_from_table(table, schema_name=schema, output=rows)
        search.look("table", f"{schema}.{table}", rows.getvalue(), people=False)
    said = io.BytesIO()
    await connection.copy_from_query(_DEAD, output=said)
    search.look("dead letter", "ticketing.dead_letters", said.getvalue(), people=True)


async def metrics(search: Search, info: StackInfo) -> None:
    """Also what the processes say about their readiness."""
    for name, url in info.metrics.items():
        if name in PROCESSES:
            for asked in (url, url.removesuffix("metrics") + "readyz"):
                _, text = await get(asked)
                search.look("metrics", f"{name} {asked.rpartition('/')[2]}", text.encode(), people=True)
