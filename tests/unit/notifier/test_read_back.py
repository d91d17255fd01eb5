"""Only a place that was read to its end can say that a post isn't there."""

from collections.abc import Mapping
from typing import Any

import pytest

from contracts.chat import Channel, ChannelType, Place
from contracts.chat_replies_v1 import DELIVERY_METADATA
from contracts.keys import Platform, message_key, place_key, slack_channel
from services.notifier.outcomes import Absent, Found, Later, Refused, Target, Unreadable
from services.notifier.slack import read_back

CHANNEL = slack_channel("C1")
PLACE = Place(
    key=place_key(CHANNEL, "1.000000"),
    channel=Channel(key=CHANNEL, platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC),
    thread="1.000000",
)
TARGET = Target("d1", 0, CHANNEL, PLACE)


def ours(ts: str, delivery: str = "d1") -> dict[str, Any]:
    payload = {"delivery_id": delivery, "part": 0}
    return {"ts": ts, "metadata": {"event_type": DELIVERY_METADATA, "event_payload": payload}}


class Thread:
    """Pages of a thread; the last is given again and again while `endless`."""

    def __init__(self, *pages: list[dict[str, Any]], endless: bool = False) -> None:
        self.pages = list(pages)
        self.endless = endless

    async def read(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any] | Refused | Later:
        assert (method, arguments["ts"]) == ("replies", "1.000000")
        page = self.pages[0] if len(self.pages) == 1 else self.pages.pop(0)
        more = self.endless or len(self.pages) > 1
        return {"messages": page, "response_metadata": {"next_cursor": "more" if more else ""}}


@pytest.mark.parametrize(
    ("thread", "expected"),
    [
        (Thread([ours("3.000000"), ours("2.000000")]), (message_key(CHANNEL, "2.000000"), 1)),
        (Thread([ours("2.000000", "d2")], [ours("4.000000")], []), (message_key(CHANNEL, "4.000000"), 0)),
        (Thread([ours("2.000000")], endless=True), (message_key(CHANNEL, "2.000000"), 0)),
    ],
)
async def test_the_earliest_of_our_posts_is_found(thread: Thread, expected: tuple[str, int]) -> None:
    outcome = await read_back.find(thread.read, TARGET, 0.0)
    assert isinstance(outcome, Found)
    assert (outcome.key, len(outcome.copies)) == expected


async def test_a_place_read_to_its_end_says_that_it_is_not_there() -> None:
    assert await read_back.find(Thread([ours("2.000000", "d2")]).read, TARGET, 0.0) == Absent()


async def test_a_place_too_long_to_read_says_nothing() -> None:
    outcome = await read_back.find(Thread([ours("2.000000", "d2")], endless=True).read, TARGET, 0.0)
    assert outcome == Unreadable(read_back.TOO_MUCH)
