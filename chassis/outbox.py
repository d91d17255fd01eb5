"""What a transaction has to say to others is written in it, and published after it: both happen or neither.

Rows are published in the order of `id` (chassis/relay.py). Rows of one ticket are written under its row lock, so that
order is the order of its versions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import orjson

from chassis.database import Connection
from chassis.errors import DataError
from chassis.records import Header
from contracts.base import RecordModel
from contracts.codec import encode
from contracts.topics import TOPIC_MAX_MESSAGE_BYTES

_ADD = """
INSERT INTO outbox (lane, topic, key, headers, payload)
SELECT lane, topic, key, headers, payload
FROM unnest($1::int[], $2::text[], $3::bytea[], $4::bytea[], $5::bytea[]) WITH ORDINALITY
    AS a(lane, topic, key, headers, payload, n)
ORDER BY n
RETURNING id"""

_OVERHEAD = 1024
"""Room for what Kafka adds to a record."""


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One record to be published. `value` None is a tombstone. A relay serves the lanes it was told to."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    lane: int = 0

    @property
    def size(self) -> int:
        """Bytes of the record, headers included."""
        headers = sum(len(name) + len(value or b"") + 8 for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + headers


def row(
    model: RecordModel,
    *,
    source: str,
    time: datetime,
    traceparent: str | None,
    tracestate: str | None = None,
    lane: int = 0,
) -> OutboxRow:
    """A model as it will be published on its topic. Raises ContractError `too_large`."""
    encoded = encode(model, source=source, time=time, traceparent=traceparent, tracestate=tracestate)
    return OutboxRow(encoded.topic, encoded.key, encoded.value, encoded.headers, lane)


async def add(connection: Connection, rows: Sequence[OutboxRow]) -> list[int]:
    """Write rows in one statement, in order; their ids. Raises DataError, before writing any, when one is too large."""
    if not rows:
        return []
    for one in rows:
        if one.size > TOPIC_MAX_MESSAGE_BYTES - _OVERHEAD:
            raise DataError("too_large", f"a record for {one.topic} has {one.size} bytes")
    found = await connection.fetch(
        _ADD,
        [one.lane for one in rows],
        [one.topic for one in rows],
        [one.key for one in rows],
        [pack_headers(one.headers) for one in rows],
        [one.value for one in rows],
    )
    return [row[0] for row in found]


def pack_headers(headers: Sequence[Header]) -> bytes:
    """Any headers, as JSON: names may hold NUL, values any bytes, names may repeat; none of it is lost."""
    return orjson.dumps([(name, None if value is None else value.decode("latin-1")) for name, value in headers])


def unpack_headers(packed: bytes) -> list[Header]:
    return [(name, None if value is None else value.encode("latin-1")) for name, value in orjson.loads(packed)]
