"""`chat.requests.v1`: what router and ticketing ask ingest to fetch from a platform."""

from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import RecordModel
from contracts.chat import Channel


class ReadThread(RecordModel):
    """Publish the thread's root and replies before `before` as backfilled events, with their own ids."""

    TYPE: ClassVar[str] = "okno.chat.read_thread.v1"
    request_id: str
    channel: Channel
    thread: str
    before: AwareDatetime

    @property
    def record_id(self) -> str:
        return self.request_id

    @property
    def record_key(self) -> str:
        return self.channel.key
