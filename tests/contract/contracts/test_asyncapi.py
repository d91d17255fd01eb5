"""The published AsyncAPI document is that of the registry."""

import json

from cli import asyncapi
from contracts.topics import TOPICS


def test_the_asyncapi_document_is_up_to_date() -> None:
    assert asyncapi.FILE.read_text() == asyncapi.generate()


def test_it_describes_every_topic() -> None:
    assert set(json.loads(asyncapi.FILE.read_text())["channels"]) >= set(TOPICS)
