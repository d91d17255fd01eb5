"""The kept specification and the methods belong together."""

import pytest

from sandbox.slack.arguments import check, specification
from sandbox.slack.errors import SlackError
from sandbox.slack.limits import PER_MINUTE
from sandbox.slack.methods.registry import METHODS
from sandbox.slack.spec.trim import SIMULATED, trim


def test_every_method_is_described_and_every_described_one_is_there() -> None:
    assert set(METHODS) == set(SIMULATED) == set(specification()["methods"])
    assert not set(specification()["others"]) & set(METHODS)


def test_limits_name_known_methods() -> None:
    assert set(PER_MINUTE) <= set(METHODS)


def test_trimming_keeps_types_and_adds_what_is_newer() -> None:
    operation = {
        "consumes": ["application/json"],
        "parameters": [
            {"name": "token", "type": "string", "required": True},
            {"name": "channel", "type": "string", "required": True},
            {"name": "thread_ts", "type": "string"},
        ],
    }
    paths = {f"/{name}": {"post": operation} for name in (*SIMULATED, "chat.meMessage")}
    trimmed = trim({"paths": paths})
    post = trimmed["methods"]["chat.postMessage"]
    assert post["json"] is True
    assert post["arguments"]["channel"] == {"type": "string", "required": True}
    assert post["arguments"]["thread_ts"] == {"type": "timestamp"}
    assert post["arguments"]["metadata"] == {"type": "object"}
    assert "token" not in post["arguments"]
    assert trimmed["others"] == ["chat.meMessage"]


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"channel": "C1", "limit": "7"}, {"channel": "C1", "limit": 7}),
        ({"channel": "C1", "inclusive": "1"}, {"channel": "C1", "inclusive": True}),
        ({"channel": "C1", "inclusive": "0"}, {"channel": "C1", "inclusive": False}),
        ({"channel": "C1", "limit": "", "colour": "red"}, {"channel": "C1"}),
    ],
)
def test_arguments_get_their_types(given: dict[str, str], kept: dict[str, object]) -> None:
    assert check("conversations.history", given) == kept


def test_every_wrong_argument_is_named() -> None:
    with pytest.raises(SlackError) as refused:
        check("conversations.history", {"limit": "x", "inclusive": "perhaps"})
    assert refused.value.details["response_metadata"]["messages"] == [
        "[ERROR] missing required field: channel",
        "[ERROR] must be a boolean [json-pointer:/inclusive]",
        "[ERROR] must be an integer [json-pointer:/limit]",
    ]
