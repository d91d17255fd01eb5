"""Dead letters: found, corrected, replayed in the order of their keys, discarded, bounded."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import orjson
import pytest

from chassis import metrics
from chassis.clock import ManualClock
from chassis.consumer import Record
from chassis.dead_letters import FIRST, FORCE, bury
from chassis.errors import Poison
from chassis.outbox import unpack_headers
from chassis.records import RELEASE, Culprit, Header
from contracts.base import RecordModel
from contracts.codec import Encoded, decode, encode
from contracts.topics import dead_topic
from services.ticketing.dead_letter_gauges import DeadLetterGauges
from services.ticketing.store.dead_letters import Filter, Room, list_dead_letters
from services.ticketing.worker import DeadLetterProjection
from tests.integration.ticketing.desk import NOW, Desk, place_message, problem, slack_place

TOPIC = "ticket.commands.v1"
DAY = timedelta(days=1)


def dead_record(
    value: bytes | None,
    headers: Sequence[Header] = (),
    offset: int = 7,
    *,
    key: bytes | None = b"slack:C1",
    error: Exception | None = None,
    consumer: str = "ticketing",
    days_ago: float = 0,
    parks: bool = False,
    timestamp: int = 1,
) -> Record:
    raw: Any = type("Raw", (), {})()
    raw.topic, raw.partition, raw.offset, raw.key, raw.value, raw.headers = TOPIC, 3, offset, key, value, headers
    raw.timestamp = timestamp
    row = bury(Culprit(raw, error or ValueError("x"), 3), consumer=consumer, at=NOW - days_ago * DAY, parks=parks)
    return Record(dead_topic(raw.topic), 3, 0, 0, row.key, row.value, row.headers, None)


async def project(desk: Desk, clock: ManualClock, *records: Record, room: Room | None = None) -> None:
    async with desk.database.transaction() as connection:
        await DeadLetterProjection(clock, room)(list(records), connection)


async def offsets(desk: Desk, **filters: Any) -> list[int]:
    """Offsets of the listed letters' records, the earliest first."""
    return sorted(letter["offset"] for letter in await desk.all("/dead-letters", **filters))


async def ids(desk: Desk) -> dict[int, str]:
    """Letters by the offset of their record."""
    return {letter["offset"]: letter["id"] for letter in await desk.all("/dead-letters")}


async def published(desk: Desk) -> list[bytes]:
    """The values in the outbox, in its order."""
    return [row["payload"] for row in await desk.database.pool.fetch("SELECT payload FROM outbox ORDER BY id")]


async def post(desk: Desk, path: str, **body: Any) -> Any:
    response = await desk.http.post(f"/v1/dead-letters{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_lists_read_no_contents(desk: Desk, clock: ManualClock) -> None:
    """A page of them could have more than the API's memory: a role that may not read them lists all the same."""
    await project(desk, clock, dead_record(b"x" * 1000))
    columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'dead_letters'"
    async with desk.database.pool.acquire() as connection:
        listed = {row[0] for row in await connection.fetch(columns)} - {"value", "headers"}
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(
                f"CREATE ROLE okno_lists; GRANT USAGE ON SCHEMA {desk.database.schema} TO okno_lists;"
                f"GRANT SELECT ({', '.join(sorted(listed))}) ON dead_letters TO okno_lists; SET LOCAL ROLE okno_lists"
            )
            (letter,) = await list_dead_letters(connection, Filter(), 2**62, 10)
        finally:
            await transaction.rollback()
    assert (letter.topic, letter.record_offset) == (TOPIC, 7)


async def test_a_dead_letter_is_listed_once_and_replayed_as_it_was(desk: Desk, clock: ManualClock) -> None:
    headers: list[Header] = [("ce_id", b"1"), ("odd", b"\xff"), ("none", None)]
    record = dead_record(b"\xff\x00broken", headers)
    await project(desk, clock, record, record)
    (letter,) = await desk.all("/dead-letters")
    assert (letter["state"], letter["topic"], letter["partition"], letter["offset"]) == (
        "waiting",
        "ticket.commands.v1",
        3,
        7,
    )
    assert (letter["consumer"], letter["cause"], letter["attempts"]) == ("ticketing", "ValueError", 3)
    detail = await desk.get(f"/dead-letters/{letter['id']}")
    assert (detail["value"], detail["value_base64"]) == (None, "/wBicm9rZW4=")

    path = f"/v1/dead-letters/{letter['id']}"
    replayed = (await desk.http.post(f"{path}/replay")).json()
    assert (replayed["state"], replayed["settled_by"]) == ("replayed", "tests")
    row = await desk.database.pool.fetchrow("SELECT * FROM outbox ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["topic"], row["key"], row["payload"]) == ("ticket.commands.v1", b"slack:C1", b"\xff\x00broken")
    problem(await desk.http.post(f"{path}/replay"), 409, "already-settled")
    problem(await desk.http.post(f"{path}/discard", json={"reason": "no"}), 409, "already-settled")


async def test_a_dead_letter_is_discarded_with_a_reason(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, dead_record(b"1", [], 1), dead_record(b"2", [], 2))
    newest, _ = await desk.all("/dead-letters", limit=1)
    path = f"/v1/dead-letters/{newest['id']}/discard"
    problem(await desk.http.post(path, json={}), 422, "invalid")
    assert (await desk.http.post(path, json={"reason": "a test"})).json()["reason"] == "a test"
    assert [one["offset"] for one in await desk.all("/dead-letters", state="waiting")] == [1]
    assert [one["offset"] for one in await desk.all("/dead-letters", state="discarded")] == [2]


# --- found


async def test_filters_hold_together(desk: Desk, clock: ManualClock) -> None:
    await project(
        desk,
        clock,
        dead_record(b"1", offset=1, days_ago=3, error=Poison("late")),
        dead_record(b"2", offset=2, key=b"slack:C2", days_ago=2),
        dead_record(b"3", offset=3, consumer="another", days_ago=1),
        dead_record(b"4", offset=4, key=None),
    )
    assert await offsets(desk, key="slack:C1") == [1, 3]
    assert await offsets(desk, cause="late") == [1]
    assert await offsets(desk, consumer="ticketing", cause="ValueError") == [2, 4]
    assert await offsets(desk, since=(NOW - 2 * DAY).isoformat(), until=NOW.isoformat()) == [2, 3]
    assert await offsets(desk, topic="chat.events.v1") == []
    problem(await desk.http.get("/v1/dead-letters?colour=red"), 422, "invalid")


@pytest.mark.parametrize(
    ("value", "content", "text", "encoded"),
    [
        (b'{"a": [1]}', {"a": [1]}, '{"a": [1]}', None),
        (b"not JSON", None, "not JSON", None),
        (b"\xff", None, None, "/w=="),
        (b'"\\ud800"', None, '"\\ud800"', None),
        (b"[" * 500 + b"]" * 500, None, "[" * 500 + "]" * 500, None),
        (None, None, None, None),
    ],
    ids=["JSON", "text", "bytes", "lone surrogate", "deep", "nothing"],
)
async def test_content_is_shown_as_what_it_is(
    desk: Desk, clock: ManualClock, value: bytes | None, content: Any, text: str | None, encoded: str | None
) -> None:
    await project(desk, clock, dead_record(value))
    ((_, letter),) = (await ids(desk)).items()
    detail = await desk.get(f"/dead-letters/{letter}")
    assert (detail["content"], detail["value"], detail["value_base64"]) == (content, text, encoded)


# --- corrected


def broken(model: RecordModel, **change: Any) -> tuple[Encoded, bytes]:
    """A record, and its value with a fault."""
    encoded = encode(model, source="test", time=NOW)
    return encoded, orjson.dumps(orjson.loads(encoded.value) | change)


async def test_a_corrected_record_is_replayed_and_the_original_kept(desk: Desk, clock: ManualClock) -> None:
    command = place_message(slack_place())
    encoded, value = broken(command, received_at="never")
    await project(desk, clock, dead_record(value, encoded.headers, key=encoded.key))
    letter = (await ids(desk))[7]
    path = f"/v1/dead-letters/{letter}/value"

    problem(await desk.http.put(path, json={"value": orjson.loads(value)}), 422, "not-its-contract")
    for text in ("first try", "better"):
        right = orjson.loads(encoded.value)
        right["message"]["text"] = text
        said = (await desk.http.put(path, json={"value": right})).json()
    assert [(one["value"]["message"]["text"], one["by"]) for one in said["edits"]] == [
        ("first try", "tests"),
        ("better", "tests"),
    ]
    assert said["content"]["received_at"] == "never"

    await post(desk, f"/{letter}/replay")
    row = await desk.database.pool.fetchrow("SELECT * FROM outbox")
    assert row is not None
    headers = unpack_headers(row["headers"])
    again = decode(row["topic"], [(name, content or b"") for name, content in headers], row["payload"])
    assert again.data == command.model_copy(update={"message": command.message.model_copy(update={"text": "better"})})
    assert (row["key"], dict(headers)[FIRST]) == (encoded.key, b"ticketing:7")
    problem(await desk.http.put(path, json={"value": right}), 409, "already-settled")


async def test_a_correction_must_be_of_the_topic_and_of_the_same_key(desk: Desk, clock: ManualClock) -> None:
    encoded, value = broken(place_message(slack_place()), received_at="never")
    await project(desk, clock, dead_record(value, key=encoded.key))  # without any headers
    path = f"/v1/dead-letters/{(await ids(desk))[7]}/value"
    right = orjson.loads(encoded.value)
    told = problem(await desk.http.put(path, json={"value": right}), 422, "not-its-contract")
    kind = dict(encoded.headers)["ce_type"].decode()
    assert kind in told["detail"]
    assert (await desk.http.put(path, json={"value": right, "type": kind})).status_code == 200
    other = orjson.loads(encode(place_message(slack_place("C2")), source="test", time=NOW).value)
    problem(await desk.http.put(path, json={"value": other, "type": kind}), 422, "another-key")
    huge = b'{"value": {"a": 123456789012345678901234567890}, "type": "%s"}' % kind.encode()
    sent = await desk.http.put(path, content=huge, headers={"Content-Type": "application/json"})
    problem(sent, 422, "not-its-contract")


async def test_the_original_goes_where_it_is_asked_for(desk: Desk, clock: ManualClock) -> None:
    encoded, value = broken(place_message(slack_place()), received_at="never")
    await project(desk, clock, dead_record(value, encoded.headers, key=encoded.key))
    letter = (await ids(desk))[7]
    await desk.http.put(f"/v1/dead-letters/{letter}/value", json={"value": orjson.loads(encoded.value)})
    await post(desk, f"/{letter}/replay", original=True)
    assert await published(desk) == [value]


async def test_a_webhooks_raw_body_is_no_record_to_replay(desk: Desk, clock: ManualClock) -> None:
    headers = [("okno-dead-consumer", b"ingest-slack"), ("okno-dead-topic", b"chat.events.v1")]
    await project(desk, clock, Record("chat.events.v1.dead", 0, 5, 0, b"slack", b"{}", headers, None))
    (letter,) = await desk.all("/dead-letters")
    problem(await desk.http.post(f"/v1/dead-letters/{letter['id']}/replay"), 409, "not-a-record")
    assert await post(desk, "/replay") == {"settled": 0, "left": 1}


# --- in order


async def test_a_later_letter_of_a_key_waits_for_the_earlier_ones(desk: Desk, clock: ManualClock) -> None:
    await project(
        desk, clock, dead_record(b"2", offset=2), dead_record(b"1", offset=1),
        dead_record(b"3", offset=3, key=b"slack:C2"), dead_record(b"0", offset=0, consumer="another"),
    )  # fmt: skip
    letters = await ids(desk)
    told = problem(await desk.http.post(f"/v1/dead-letters/{letters[2]}/replay"), 409, "earlier-waiting")
    assert told["earlier"] == [letters[1]]
    await post(desk, f"/{letters[3]}/replay")
    await post(desk, f"/{letters[1]}/discard", reason="not needed")
    await post(desk, f"/{letters[2]}/replay")
    assert await published(desk) == [b"3", b"2"]


async def test_what_dies_again_keeps_its_place_among_its_keys(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, dead_record(b"1", offset=1), dead_record(b"2", offset=2))
    letters = await ids(desk)
    await post(desk, f"/{letters[1]}/replay")
    headers = unpack_headers(await desk.database.pool.fetchval("SELECT headers FROM outbox"))
    await project(desk, clock, dead_record(b"1", headers, offset=20))
    told = problem(await desk.http.post(f"/v1/dead-letters/{letters[2]}/replay"), 409, "earlier-waiting")
    assert told["earlier"] == [(await ids(desk))[20]]
    assert await post(desk, "/replay") == {"settled": 2, "left": 0}
    assert await published(desk) == [b"1", b"1", b"2"]
    assert dict(unpack_headers(await desk.database.pool.fetchval("SELECT headers FROM outbox WHERE id = 2"))) == {
        FIRST: b"ticketing:1"
    }


async def test_many_are_replayed_oldest_first_and_in_the_order_of_their_keys(desk: Desk, clock: ManualClock) -> None:
    await project(
        desk, clock, dead_record(b"b2", offset=12, key=b"b", days_ago=1), dead_record(b"b1", offset=11, key=b"b"),
        dead_record(b"a1", offset=13, key=b"a", days_ago=2), dead_record(b"a2", offset=14, key=b"a"),
    )  # fmt: skip
    assert await post(desk, "/replay", limit=1) == {"settled": 1, "left": 3}
    assert await post(desk, "/replay", limit=1) == {"settled": 1, "left": 2}
    assert await published(desk) == [b"a1", b"b1"], "b2 is older, but it can't go before b1"
    assert await post(desk, "/replay") == {"settled": 2, "left": 0}
    assert sorted((await published(desk))[2:]) == [b"a2", b"b2"]


async def test_a_filter_takes_no_letter_out_of_its_turn_unless_forced(desk: Desk, clock: ManualClock) -> None:
    await project(
        desk, clock, dead_record(b"1", offset=1), dead_record(b"2", offset=2, error=Poison("mended")),
        dead_record(b"3", offset=3, key=b"slack:C2", error=Poison("mended")),
    )  # fmt: skip
    assert await post(desk, "/replay", cause="mended") == {"settled": 1, "left": 1}
    assert await post(desk, "/replay", cause="mended", force=True) == {"settled": 1, "left": 0}
    assert await published(desk) == [b"3", b"2"]
    assert await offsets(desk, state="waiting") == [1]


async def test_what_is_too_old_is_replayed_by_force_only(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, dead_record(b"1", days_ago=31))
    letter = (await ids(desk))[7]
    problem(await desk.http.post(f"/v1/dead-letters/{letter}/replay"), 409, "too-old")
    assert await post(desk, "/replay") == {"settled": 0, "left": 1}
    await post(desk, f"/{letter}/replay", force=True)
    assert await published(desk) == [b"1"]


async def test_many_are_discarded_with_one_reason(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, *(dead_record(b"x", offset=offset) for offset in range(3)))
    problem(await desk.http.post("/v1/dead-letters/discard", json={}), 422, "invalid")
    assert await post(desk, "/discard", reason="a flood", limit=2) == {"settled": 2, "left": 1}
    assert await offsets(desk, state="discarded") == [0, 1]
    assert {one["reason"] for one in await desk.all("/dead-letters", state="discarded")} == {"a flood"}
    assert await published(desk) == []


async def test_odd_headers_survive_a_replay(desk: Desk, clock: ManualClock) -> None:
    headers: list[Header] = [("nul\0", b"\0\xff"), ("none", None), ("twice", b"1"), ("twice", b"2")]
    await project(desk, clock, dead_record(b"1", headers))
    await post(desk, "/replay")
    assert unpack_headers(await desk.database.pool.fetchval("SELECT headers FROM outbox")) == [
        *headers,
        (FIRST, b"ticketing:7"),
    ]


# --- told to consumers that park


async def test_a_consumer_that_parks_is_told_what_became_of_its_letters(desk: Desk, clock: ManualClock) -> None:
    records = [dead_record(b"%d" % offset, offset=offset, parks=True) for offset in range(4)]
    await project(desk, clock, *records, dead_record(b"x", offset=9, key=b"slack:C2"))
    letters = await ids(desk)
    await post(desk, f"/{letters[0]}/discard", reason="not needed")
    await post(desk, f"/{letters[1]}/replay")
    await post(desk, f"/{letters[3]}/replay", force=True)
    await post(desk, "/discard", reason="not needed")
    rows = await desk.database.pool.fetch("SELECT key, headers, payload FROM outbox ORDER BY id")
    assert {row["key"] for row in rows} == {b"slack:C1"}, "who doesn't park needn't be told"
    told = [(row["payload"], dict(unpack_headers(row["headers"]))) for row in rows]
    assert told == [
        (None, {FIRST: b"ticketing:0", RELEASE: b"ticketing:3:0"}),
        (b"1", {FIRST: b"ticketing:1", RELEASE: b"ticketing:3:1"}),
        (b"3", {FIRST: b"ticketing:3", RELEASE: b"ticketing:3:3", FORCE: b"1"}),
        (None, {FIRST: b"ticketing:2", RELEASE: b"ticketing:3:2"}),
    ]


# --- bounded, and seen


async def test_beyond_the_room_letters_stay_on_their_topic_and_are_counted(desk: Desk, clock: ManualClock) -> None:
    missed = metrics.dead_letters_not_stored.labels(dead_topic(TOPIC))
    before = missed._value.get()
    records = [dead_record(b"x", offset=offset, key=b"%d" % offset) for offset in range(3)]
    await project(desk, clock, *records, room=Room(letters=2))
    assert await offsets(desk) == [0, 1]
    await project(desk, clock, *records, room=Room(bytes=2))
    assert (await offsets(desk), missed._value.get() - before) == ([0, 1], 2)
    await project(desk, clock, *records, room=Room())
    assert await offsets(desk) == [0, 1, 2], "there is room again"


async def test_what_waits_is_shown_by_consumer_and_cause(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, dead_record(b"1", offset=1, days_ago=2), dead_record(b"2", offset=2))
    gauges = DeadLetterGauges(desk.database)
    await gauges.sample()
    waiting = metrics.dead_letters_waiting.labels("ticketing", "ValueError")
    assert waiting._value.get() == 2
    assert metrics.dead_letters_oldest_age.labels("ticketing", "ValueError")._value.get() >= 2 * 86400
    await post(desk, "/replay")
    await gauges.sample()
    assert waiting._value.get() == 0


async def test_an_offset_of_another_cluster_is_another_letter_and_a_copy_is_none(
    desk: Desk, clock: ManualClock
) -> None:
    await project(desk, clock, dead_record(b"here", timestamp=1), dead_record(b"here", timestamp=1))
    await project(desk, clock, dead_record(b"there", timestamp=2), dead_record(b"here", timestamp=1))
    assert await offsets(desk) == [7, 7]


async def test_a_letter_that_an_older_worker_stored_under_its_place_does_not_come_again(
    desk: Desk, clock: ManualClock
) -> None:
    await project(desk, clock, dead_record(b"here", timestamp=1))
    await desk.database.pool.execute("UPDATE dead_letters SET identity = 'ticketing:ticket.commands.v1:3:7'")
    await post(desk, "/discard", reason="a test")
    await project(desk, clock, dead_record(b"here", timestamp=1))
    assert [one["state"] for one in await desk.all("/dead-letters")] == ["discarded"]
    await project(desk, clock, dead_record(b"put aside later", timestamp=1, days_ago=-1))
    assert [one["state"] for one in await desk.all("/dead-letters")] == ["waiting", "discarded"]


FOREIGN: dict[str, bytes] = {"consumer": b"a", "topic": b"t", "partition": b"1", "offset": b"2"}


@pytest.mark.parametrize(
    "odd",
    [
        {"partition": b"2147483648"},
        {"consumer": random.Random(1).randbytes(10_000)},
        {"topic": random.Random(2).randbytes(10_000)},
        {"cause": b"c\0" * 10_000, "error": b"e\xff" * 10_000},
        {"at": b"0001-01-01T00:00:00+23:00"},
        {"at": b"9999-12-31T23:00:00-23:00"},
    ],
)
async def test_whatever_a_foreign_records_headers_say_it_is_stored(
    desk: Desk, clock: ManualClock, odd: dict[str, bytes]
) -> None:
    """It would end the worker, at each start: a dead letter has no dead letters."""
    headers = [(f"okno-dead-{name}", text) for name, text in (FOREIGN | odd).items()]
    foreign = [Record(dead_topic(TOPIC), 3, at, 0, b"k", b"x", headers, None) for at in (1, 1)]
    await project(desk, clock, *foreign, dead_record(b"ours"))
    await project(desk, clock, *foreign)
    listed = await desk.all("/dead-letters")
    assert sorted(letter["offset"] for letter in listed) == [2, 7]
    assert all(len(letter[name]) <= 1000 for letter in listed for name in ("consumer", "topic", "cause", "error"))
