"""`desk.staff.v1`: which chat identities belong to the desk; compacted by identity."""

from enum import StrEnum
from typing import ClassVar

from pydantic import AwareDatetime

from contracts.base import RecordModel
from contracts.keys import PersonKey


class StaffRole(StrEnum):
    AGENT = "agent"
    MENTOR = "mentor"
    COORDINATOR = "coordinator"
    LEAD = "lead"


class StaffIdentity(RecordModel):
    """`active` false means that this identity is a customer's again."""

    TYPE: ClassVar[str] = "okno.desk.staff_identity.v1"
    identity: PersonKey
    agent_id: str
    name: str
    role: StaffRole
    active: bool
    version: int
    updated_at: AwareDatetime

    @property
    def record_id(self) -> str:
        return f"{self.identity}:{self.version}"

    @property
    def record_key(self) -> str:
        return self.identity
