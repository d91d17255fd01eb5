"""The one base of every record: frozen, tolerant of fields that a newer writer added, with aware times."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic._internal._model_construction import ModelMetaclass  # there is no public name for it


class _ModelType(ModelMetaclass):
    """`isinstance` and `match` as with ordinary classes: none of ours is virtual, and abc's look-up takes ten times as
    long, some forty times a message.
    """

    __instancecheck__ = type.__instancecheck__


class Model(BaseModel, metaclass=_ModelType):
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
