"""Message ids: unique and increasing in their channel, whatever the clock says."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sandbox.slack.model import Channel, ChannelType, Message, microseconds


def channel() -> Channel:
    return Channel(id="C1", type=ChannelType.PUBLIC, name="x", created=0, creator="U1")


@given(st.lists(st.floats(min_value=0, max_value=4e9), max_size=30))
def test_ids_grow_strictly(moments: list[float]) -> None:
    here = channel()
    stamps = [microseconds(here.next_ts(moment)) for moment in moments]
    assert all(earlier < later for earlier, later in pairwise(stamps))


def test_an_id_is_its_moment_where_it_can_be() -> None:
    here = channel()
    assert [here.next_ts(moment) for moment in (10.5, 10.5, 9.0, 11.0)] == [
        "10.500000",
        "10.500001",
        "10.500002",
        "11.000000",
    ]


def test_short_fractions_count_from_the_left() -> None:
    assert microseconds("10.1") == 10_100_000
    assert microseconds("10") == 10_000_000


def test_removing_keeps_the_order_of_the_rest() -> None:
    here = channel()
    for number in range(5):
        here.add(Message(ts=here.next_ts(float(number)), user="U1", text=str(number)))
    here.remove("2.000000")
    assert [here.messages[ts].text for ts in here.order] == ["0", "1", "3", "4"]
