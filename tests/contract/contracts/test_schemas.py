"""Published schemas are those of the models, and a change that breaks readers is refused."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts import schemas
from contracts.chat_events_v1 import MessagePosted
from contracts.compatibility import incompatibilities

Schema = dict[str, Any]


def test_the_published_schemas_are_those_of_the_models() -> None:
    assert schemas.compare() == ([], [])


def posted() -> Schema:
    return copy.deepcopy(MessagePosted.model_json_schema())


def remove(schema: Schema) -> None:
    del schema["properties"]["text"]


def require(schema: Schema) -> None:
    schema["required"].append("album")


def retype(schema: Schema) -> None:
    schema["properties"]["text"] = {"type": "integer"}


def nullable_becomes_required_string(schema: Schema) -> None:
    schema["properties"]["thread"] = {"type": "string"}


def shrink_enum(schema: Schema) -> None:
    schema["$defs"]["ChannelType"]["enum"].remove("forum")


def closing(schema: Schema) -> None:
    schema["$defs"]["Author"]["additionalProperties"] = False


def nested_removal(schema: Schema) -> None:
    del schema["$defs"]["Author"]["properties"]["name"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (remove, "text: was removed"),
        (require, "album: is required now"),
        (retype, "text: may no longer be string"),
        (nullable_becomes_required_string, "thread: may no longer be null"),
        (shrink_enum, "value 'forum' was removed"),
        (nested_removal, "author.name: was removed"),
        (closing, "author: refuses unknown fields now"),
    ],
)
def test_a_breaking_change_is_named(change: Callable[[Schema], None], told: str) -> None:
    changed = posted()
    change(changed)
    problems = incompatibilities(posted(), changed)
    assert any(told in problem for problem in problems), problems


def test_an_optional_field_may_be_added() -> None:
    changed = posted()
    changed["properties"]["mood"] = {"type": "string", "default": "calm"}
    assert incompatibilities(posted(), changed) == []


def test_every_record_may_get_fields_and_a_policy_that_is_applied_may_not() -> None:
    closed = {
        name for name, schema in schemas.generate().items() if '"additionalProperties": false' in json.dumps(schema)
    }
    assert closed == {schemas.POLICY_FILE}


def test_a_new_enum_value_may_be_added() -> None:
    changed = posted()
    changed["$defs"]["ChannelType"]["enum"].append("huddle")
    assert incompatibilities(posted(), changed) == []


def test_a_breaking_change_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    published = json.loads((schemas.FOLDER / "okno.chat.message_posted.v1.json").read_text())
    published["properties"]["mood"] = {"type": "string"}
    for name, schema in schemas.generate().items():
        (tmp_path / name).write_text(json.dumps(schema))
    (tmp_path / "okno.chat.message_posted.v1.json").write_text(json.dumps(published))
    before = (tmp_path / "okno.chat.message_posted.v1.json").read_text()
    monkeypatch.setattr(schemas, "FOLDER", tmp_path)
    monkeypatch.setattr(schemas.compare, "__defaults__", (tmp_path,))

    assert schemas.main(["write"]) == 1
    assert "mood: was removed" in capsys.readouterr().out
    assert (tmp_path / "okno.chat.message_posted.v1.json").read_text() == before
