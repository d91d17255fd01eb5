"""Behind a dead letter the later records of its key wait, on a real Kafka and a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.dead_letter_share import Limit
from chassis.dead_letters import FIRST, FORCE, DeadLetter, parse
from chassis.records import RELEASE
from contracts.codec import ContractError
from tests.integration.chassis.world import World, see


async def letters(world: World) -> list[DeadLetter]:
    return [parse(row.topic, 0, 0, row.key, row.value, row.headers) for row in await world.outbox()]


async def aside(world: World) -> list[tuple[int, str]]:
    """Offset and cause of each dead letter so far, in order."""
    return [(one.origin_offset, one.cause) for one in await letters(world)]


async def parked(world: World) -> int:
    found: int = await world.database.pool.fetchval("SELECT count(*) FROM parked_records")
    return found


async def again(world: World, offset: int, value: bytes | None, *, key: bytes = b"a", force: bool = False) -> None:
    """The dead letter of a record is replayed with this value, or discarded: None."""
    (letter,) = [one for one in await letters(world) if one.origin_offset == offset]
    headers = [
        (FIRST, f"{world.consumer}:{letter.first_offset}".encode()),
        (RELEASE, f"{world.consumer}:0:{offset}".encode()),
        *([(FORCE, b"1")] if force else []),
    ]
    await world.produce([value], key=key, headers=headers)


async def consume(world: World, position: int, **options: Any) -> None:
    """A process that takes over, reads so far and ends."""
    async with world.consuming(**{"park_keys": True, **options}):
        await world.until_position(position)


async def begun(world: World) -> None:
    """Offsets 0, 1 and 3 of the key `a` are put aside; 2, of another key, isn't."""
    await world.produce([b"data", b"1"], key=b"a")
    await world.produce([b"2"], key=b"b")
    await world.produce([b"3"], key=b"a")
    await consume(world, 4)


async def test_later_records_of_the_key_wait_and_others_go_on(world: World) -> None:
    await begun(world)
    assert await world.seen() == [b"2"]
    assert await aside(world) == [(0, "impossible"), (1, "parked"), (3, "parked")]
    assert all(one.parks for one in await letters(world))


async def test_without_parking_only_the_culprit_is_put_aside(world: World) -> None:
    await world.produce([b"data", b"1"], key=b"a")
    await consume(world, 2, park_keys=False)
    assert await world.seen() == [b"1"]
    (letter,) = await letters(world)
    assert not letter.parks
    assert await parked(world) == 0


async def test_replayed_in_order_they_are_handled_and_the_key_goes_on(world: World) -> None:
    await begun(world)
    for offset, value in ((0, b"mended"), (1, b"1"), (3, b"3")):
        await again(world, offset, value)
    await world.produce([b"4"], key=b"a")
    await consume(world, 8)
    assert await world.seen() == [b"2", b"mended", b"1", b"3", b"4"]
    assert await parked(world) == 0


async def test_what_comes_before_the_replays_waits_for_its_own(world: World) -> None:
    await begun(world)
    await world.produce([b"4"], key=b"a")
    for offset, value in ((0, b"mended"), (1, b"1"), (3, b"3")):
        await again(world, offset, value)
    await world.produce([b"8"], key=b"a")
    await consume(world, 9)
    assert await world.seen() == [b"2", b"mended", b"1", b"3"]
    assert (await aside(world))[3:] == [(4, "parked"), (8, "parked")]
    await again(world, 4, b"4")
    await again(world, 8, b"8")
    await consume(world, 11)
    assert (await world.seen())[4:] == [b"4", b"8"]


async def test_what_fails_again_keeps_its_place_and_the_rest_waits_on(world: World) -> None:
    await begun(world)
    await again(world, 0, b"data")
    await again(world, 1, b"1")
    await consume(world, 6)
    assert await world.seen() == [b"2"]
    assert [(one.origin_offset, one.first_offset) for one in await letters(world)][3:] == [(4, 0), (5, 1)]
    for offset, value in ((4, b"mended"), (5, b"1"), (3, b"3")):
        await again(world, offset, value)
    await consume(world, 9)
    assert await world.seen() == [b"2", b"mended", b"1", b"3"]
    assert await parked(world) == 0


async def test_a_discarded_letter_holds_nothing_up(world: World) -> None:
    await begun(world)
    for offset in (0, 1, 3):
        await again(world, offset, None)
    await world.produce([b"7"], key=b"a")
    await consume(world, 8)
    assert await world.seen() == [b"2", b"7"]
    assert len(await letters(world)) == 3, "what only tells is no record"


async def test_a_replay_out_of_turn_waits_unless_forced(world: World) -> None:
    await begun(world)
    await again(world, 3, b"3")
    await again(world, 1, b"1", force=True)
    await consume(world, 6)
    assert await world.seen() == [b"2", b"1"]
    assert (await aside(world))[3:] == [(4, "parked")]


async def test_another_consumers_replay_is_a_new_record(world: World) -> None:
    await begun(world)
    headers = [(FIRST, b"another:0"), (RELEASE, b"another:0:0")]
    await world.produce([b"4"], key=b"a", headers=headers)
    await consume(world, 5)
    assert (await aside(world))[3:] == [(4, "parked")]


async def test_a_record_that_only_tells_is_nothing_to_who_does_not_park(world: World) -> None:
    await world.produce([None], key=b"a", headers=[(FIRST, b"another:0"), (RELEASE, b"another:0:0")])
    await world.produce([b"1"], key=b"a")
    await consume(world, 2, park_keys=False)
    assert (await world.seen(), await letters(world)) == ([b"1"], [])


async def test_what_can_not_be_decoded_parks_its_key_in_the_same_batch(world: World) -> None:
    def decoded(topic: str, headers: Any, value: bytes | None) -> Any:
        if value == b"undecodable":
            raise ContractError("bad_value", "the test said so")
        return None

    await world.produce([b"0", b"undecodable", b"2"], key=b"a")
    await consume(world, 3, decode=decoded)
    assert await world.seen() == [b"0"]
    assert await aside(world) == [(1, "bad_value"), (2, "parked")]


async def test_a_failed_batch_leaves_no_line_behind(world: World) -> None:
    """The first try dies before its commit; the second parks each record once."""
    failures = iter([ConnectionError("the test said so")])

    async def breaking(outcome: Any, connection: Any) -> None:
        for error in failures:
            raise error
        await see(outcome, connection)

    await world.produce([b"data", b"1"], key=b"a")
    await consume(world, 2, handle=breaking)
    assert await aside(world) == [(0, "impossible"), (1, "parked")]
    assert await parked(world) == 2


async def test_what_is_parked_does_not_count_as_failing(world: World) -> None:
    await world.produce([b"data", *(b"%d" % number for number in range(20))], key=b"a")
    await consume(world, 21, dead_letter_limit=Limit(share=0.1, least=2, window=1000))
    assert len(await letters(world)) == 21


async def test_compacted_topics_park_nothing(world: World) -> None:
    await world.produce([b"data", b"1"], key=b"a")
    await consume(world, 2, compacted=lambda _: True)
    assert await world.seen() == [b"1"]
    assert [one.parks for one in await letters(world)] == [False]


@pytest.mark.parametrize("length", [1, 100_000])
async def test_keys_of_any_length_park(world: World, length: int) -> None:
    await world.produce([b"data", b"1"], key=b"k" * length)
    await consume(world, 2)
    assert [cause for _, cause in await aside(world)] == ["impossible", "parked"]


async def test_switched_off_the_lines_are_forgotten(world: World) -> None:
    await begun(world)
    await world.produce([b"4"], key=b"a")
    await consume(world, 5, park_keys=False)
    assert await world.seen() == [b"2", b"4"]
    assert await parked(world) == 0
