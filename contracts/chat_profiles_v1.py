"""`chat.profiles.v1`: who people and channels are; compacted, the latest wins."""

from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import RecordModel
from contracts.chat import ChannelType
from contracts.keys import ChannelKey, PersonKey


class PersonProfile(RecordModel):
    TYPE: ClassVar[str] = "okno.chat.person_profile.v1"
    person_key: PersonKey
    name: str
    updated_at: AwareDatetime
    real_name: str | None = None
    email: str | None = None
    time_zone: str | None = None
    locale: str | None = None
    avatar_url: str | None = None
    is_bot: bool = False

    @property
    def record_id(self) -> str:
        return f"{self.person_key}:profile:{self.updated_at.timestamp():.6f}"

    @property
    def record_key(self) -> str:
        return self.person_key


class ChannelProfile(RecordModel):
    TYPE: ClassVar[str] = "okno.chat.channel_profile.v1"
    channel_key: ChannelKey
    name: str
    updated_at: AwareDatetime
    type: ChannelType | None = None

    @property
    def record_id(self) -> str:
        return f"{self.channel_key}:profile:{self.updated_at.timestamp():.6f}"

    @property
    def record_key(self) -> str:
        return self.channel_key
