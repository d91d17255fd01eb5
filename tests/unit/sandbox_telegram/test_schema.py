"""All methods of the Bot API are checked against its own description."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.telegram.errors import ApiError
from sandbox.telegram.schema import Upload, check, method_name, spec

METHODS = sorted(spec()["methods"])
WITH_REQUIRED = [m for m in METHODS if any(field["required"] for field in spec()["methods"][m].values())]


def example(field: dict[str, Any]) -> Any:
    """A value of the field's first type."""
    kind = field["types"][0]
    if "values" in field:
        return field["values"][0]
    if kind.startswith("Array of "):
        return [example({"types": [kind.removeprefix("Array of ")]})]
    scalars: dict[str, Any] = {
        "Integer": 1,
        "Float": 1.5,
        "Boolean": True,
        "String": "x",
        "InputFile": Upload("a", "b", b"c"),
    }
    return scalars[kind] if kind in scalars else example_object(kind)


def example_object(kind: str) -> dict[str, Any]:
    declared = spec()["types"][kind]
    if declared["subtypes"]:
        return example_object(declared["subtypes"][0])
    return {name: example(field) for name, field in declared["fields"].items() if field["required"]}


def required(method: str) -> dict[str, Any]:
    return {name: example(field) for name, field in spec()["methods"][method].items() if field["required"]}


def test_every_method_of_the_bot_api_is_known() -> None:
    assert len(METHODS) == 180


@pytest.mark.parametrize("method", METHODS)
def test_right_arguments_are_taken(method: str) -> None:
    given = required(method)

    arguments, ignored = check(method_name(method.upper()), given)

    assert set(arguments) == set(given)
    assert ignored == []


@pytest.mark.parametrize("method", WITH_REQUIRED)
def test_a_missing_argument_is_refused(method: str) -> None:
    given = required(method)
    for name in given:
        with pytest.raises(ApiError) as raised:
            check(method, {other: value for other, value in given.items() if other != name})
        assert raised.value.code == 400


@pytest.mark.parametrize("method", METHODS)
def test_an_ill_typed_argument_is_refused(method: str) -> None:
    for name, field in spec()["methods"][method].items():
        wrong: Any = [[["?"]]] if not field["types"][0].startswith("Array of ") else 5
        with pytest.raises(ApiError) as raised:
            check(method, {**required(method), name: wrong})
        assert raised.value.code == 400
        assert name in raised.value.description or "entities" in name or name == "reply_markup"


def test_objects_may_be_json_texts_or_objects() -> None:
    reply = {"message_id": 5}
    given = {"chat_id": "5", "text": "x"}

    assert check("sendMessage", {**given, "reply_parameters": reply})[0]["reply_parameters"] == reply
    assert check("sendMessage", {**given, "reply_parameters": json.dumps(reply)})[0]["reply_parameters"] == reply


@pytest.mark.parametrize(
    ("value", "taken"), [("true", True), ("False", False), (True, True), ("1", True), (0, False), ("yes", True)]
)
def test_booleans(value: Any, taken: bool) -> None:
    arguments, _ = check("sendMessage", {"chat_id": 5, "text": "x", "protect_content": value})

    assert arguments["protect_content"] is taken


def test_an_unknown_argument_is_ignored_and_named() -> None:
    arguments, ignored = check("getMe", {"colour": "red"})

    assert (arguments, ignored) == ({}, ["colour"])


def test_unknown_fields_of_an_object_are_dropped() -> None:
    given = {"chat_id": 5, "text": "x", "link_preview_options": {"is_disabled": "true", "is_pink": True}}

    assert check("sendMessage", given)[0]["link_preview_options"] == {"is_disabled": True}


def test_an_emoji_that_is_no_reaction_is_refused() -> None:
    with pytest.raises(ApiError, match="emoji"):
        check("setMessageReaction", {"chat_id": 5, "message_id": 6, "reaction": [{"type": "emoji", "emoji": "🐌"}]})
