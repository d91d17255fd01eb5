"""Records for tests of the chassis; which model it is doesn't matter to it."""

from datetime import UTC, datetime

from contracts.chat import Channel, ChannelType
from contracts.chat_requests_v1 import ReadThread
from contracts.codec import Encoded, encode
from contracts.keys import ChannelKey, Platform


def read_thread(request_id: str = "r1") -> ReadThread:
    channel = Channel(
        key=ChannelKey("slack:C034"), platform=Platform.SLACK, workspace="T01", type=ChannelType.PUBLIC, name="help"
    )
    return ReadThread(
        request_id=request_id, channel=channel, thread="1716300000.000100", before=datetime(2026, 1, 1, tzinfo=UTC)
    )


def encoded_read_thread(request_id: str = "r1") -> Encoded:
    return encode(read_thread(request_id), source="router", time=datetime(2026, 1, 2, tzinfo=UTC))
