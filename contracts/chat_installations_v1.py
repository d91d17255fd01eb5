"""`chat.installations.v1`: connected workspaces and bots; compacted. The token travels encrypted only."""

from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import RecordModel
from contracts.keys import Platform


class Installation(RecordModel):
    """`token` is ciphertext of the deployment's key; `revoked_at` set means that nothing can be sent there any more."""

    TYPE: ClassVar[str] = "okno.chat.installation.v1"
    platform: Platform
    workspace: str
    name: str
    bot_id: str
    token: str
    installed_at: AwareDatetime
    scopes: tuple[str, ...] = ()
    revoked_at: AwareDatetime | None = None

    @property
    def record_id(self) -> str:
        return f"{self.platform}:{self.workspace}:{self.installed_at.timestamp():.6f}"

    @property
    def record_key(self) -> str:
        return f"{self.platform}:{self.workspace}"
