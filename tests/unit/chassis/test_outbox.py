from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DataError
from chassis.outbox import OutboxRow, add, pack_headers, unpack_headers
from contracts.topics import TOPIC_MAX_MESSAGE_BYTES


@given(st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_no_header_is_lost_on_the_way_through_the_outbox(headers: list[tuple[str, bytes | None]]) -> None:
    assert unpack_headers(pack_headers(headers)) == headers


class NoConnection:
    async def execute(self, *_: Any) -> None:
        raise AssertionError("nothing may be written")


async def test_a_row_that_kafka_would_refuse_is_refused_before_any_is_written() -> None:
    rows = [OutboxRow("a", b"k", b"fine"), OutboxRow("a", b"k", b"x" * TOPIC_MAX_MESSAGE_BYTES)]
    with pytest.raises(DataError) as refused:
        await add(cast("Any", NoConnection()), rows)
    assert refused.value.cause == "too_large"


async def test_headers_count_for_the_size() -> None:
    rows = [OutboxRow("a", b"k", b"", [("h", b"x" * TOPIC_MAX_MESSAGE_BYTES)])]
    with pytest.raises(DataError):
        await add(cast("Any", NoConnection()), rows)


async def test_nothing_to_write_costs_nothing() -> None:
    await add(cast("Any", NoConnection()), [])


def test_a_row_of_a_model_goes_to_its_topic_with_its_context() -> None:
    from chassis.outbox import row
    from contracts.chat_requests_v1 import ReadThread
    from tests.unit.chassis.examples import read_thread

    made = row(read_thread(), source="router", time=datetime(2026, 1, 2, tzinfo=UTC), traceparent="00-a-b-01", lane=4)
    assert made.topic == "chat.requests.v1"
    assert made.lane == 4
    assert dict(made.headers)["ce_type"] == ReadThread.TYPE.encode()
    assert dict(made.headers)["traceparent"] == b"00-a-b-01"
