"""The one base of every record: frozen, tolerant of fields that a newer writer added, with aware times."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A frozen value. Unknown fields are ignored, so that readers survive optional fields added later."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_timedelta="float")


class RecordModel(Model):
    """A value that travels as one Kafka record.

    `TYPE` is the CloudEvents type. `record_id` is derived, never random: the same fact has the same id
    however often it is published. `record_key` is the Kafka key.
    """

    TYPE: ClassVar[str]

    @property
    def record_id(self) -> str:
        raise NotImplementedError

    @property
    def record_key(self) -> str:
        raise NotImplementedError
