"""`chat.requests.v1`: what ingest's worker is asked to fetch from a platform."""

from typing import ClassVar

from pydantic import AwareDatetime

from contracts import ids
from contracts.base import RecordModel
from contracts.chat import Channel
from contracts.keys import ChannelKey, Platform


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


class ReadHistory(RecordModel):
    """Publish what the platform's history shows and `chat.events.v1` doesn't, as backfilled events.

    `channel` None means every channel that we are in. `since` None means the last event heard before `requested_at`;
    with `only_after_gap`, which receivers ask by, nothing is read unless that was long ago, nor what was said before we
    were invited to a channel.
    """

    TYPE: ClassVar[str] = "okno.chat.read_history.v1"
    platform: Platform
    requested_at: AwareDatetime
    channel: ChannelKey | None = None
    since: AwareDatetime | None = None
    only_after_gap: bool = False

    @property
    def record_id(self) -> str:
        return ids.history_request(self.record_key, self.requested_at)

    @property
    def record_key(self) -> str:
        return self.channel or self.platform.value
