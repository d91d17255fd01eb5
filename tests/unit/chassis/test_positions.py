import pytest
from aiokafka import TopicPartition

from chassis.positions import (
    Log,
    PositionAfterEnd,
    PositionBeforeStart,
    PositionBehindGroup,
    PositionOfOtherCluster,
    PositionRefused,
    Reader,
    Stored,
    starting_offset,
)

TP = TopicPartition("chat.events.v1", 3)
READER = Reader("router", "router-group")


def start(stored: Stored | None, log: Log) -> int:
    return starting_offset(READER, TP, stored, log)


@pytest.mark.parametrize(
    ("stored", "log", "offset"),
    [
        (None, Log("a", 0, 0), 0),
        (None, Log("a", 5, 9), 5),  # a new consumer begins at the log's start
        (Stored(5, "a"), Log("a", 5, 9, 5), 5),
        (Stored(9, "a"), Log("a", 5, 9, 7), 9),  # the group's offsets lag behind the database
        (Stored(9, "a"), Log("a", 9, 9), 9),
        (Stored(6, "a", accepted_group_offset=8), Log("a", 5, 9, 8), 6),  # a person said so
    ],
)
def test_a_fitting_position_is_where_reading_begins(stored: Stored | None, log: Log, offset: int) -> None:
    assert start(stored, log) == offset


@pytest.mark.parametrize(
    ("stored", "log", "error", "accept"),
    [
        (Stored(4, "a"), Log("a", 5, 9), PositionBeforeStart, 5),
        (Stored(10, "a"), Log("a", 5, 9), PositionAfterEnd, 9),
        (Stored(6, "b"), Log("a", 5, 9), PositionOfOtherCluster, 5),
        (Stored(6, "a"), Log("a", 5, 9, 8), PositionBehindGroup, 6),
        (Stored(6, "a", accepted_group_offset=7), Log("a", 5, 9, 8), PositionBehindGroup, 6),
        (None, Log("a", 5, 9, 8), PositionBehindGroup, 5),  # an empty database beside a group that had read
        (Stored(2, "a"), Log("a", 5, 9, 8), PositionBehindGroup, 5),
    ],
)
def test_a_hole_is_refused_with_the_command_that_accepts_it(
    stored: Stored | None, log: Log, error: type[PositionRefused], accept: int
) -> None:
    with pytest.raises(error, match=f"okno positions accept router router-group chat.events.v1 3 {accept}$"):
        start(stored, log)


def test_the_hole_is_named() -> None:
    with pytest.raises(PositionBeforeStart, match="offsets 4 to 6 are gone, its log starts at 7"):
        start(Stored(4, "a"), Log("a", 7, 9))
