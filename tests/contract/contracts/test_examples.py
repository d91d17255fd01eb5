"""Each record type has an example that decodes, and that encodes to the same value again."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from contracts import schemas
from contracts.codec import decode, encode
from contracts.topics import MODELS

FOLDER = Path(schemas.__file__).parent / "examples"


def load(name: str) -> dict[str, Any]:
    return dict(json.loads((FOLDER / f"{name}.json").read_text()))


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_example_decodes_and_encodes_to_itself(name: str) -> None:
    example = load(name)
    headers = [(key, value.encode()) for key, value in example["headers"].items()]
    envelope = decode(example["topic"], headers, json.dumps(example["value"]).encode())
    encoded = encode(
        envelope.data, source=envelope.source, time=datetime(2024, 5, 21, tzinfo=UTC), traceparent=envelope.traceparent
    )
    assert encoded.topic == example["topic"]
    assert encoded.key.decode() == example["key"]
    assert json.loads(encoded.value) == example["value"]
    assert dict(encoded.headers)["ce_id"] == example["headers"]["ce_id"].encode()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_an_example_fits_its_published_schema(name: str) -> None:
    jsonschema.validate(load(name)["value"], json.loads((schemas.FOLDER / f"{name}.json").read_text()))


def test_there_is_no_example_without_a_model() -> None:
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MODELS)
