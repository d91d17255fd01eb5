"""Options of `make up` are read from the environment, and a wrong one is named."""

from __future__ import annotations

import pytest

from sandbox.stack.errors import StackError
from sandbox.stack.options import StackOptions, from_environment


def test_without_options_there_is_one_of_each_over_webhooks() -> None:
    assert from_environment({}) == StackOptions()
    assert from_environment({"ROUTERS": "", "SLACK_TRANSPORT": ""}) == StackOptions()


def test_all_options() -> None:
    given = {
        "ROUTERS": "2",
        "TICKETING_WORKERS": "3",
        "NOTIFIERS": "4",
        "SLACK_TRANSPORT": "socket",
        "TELEGRAM_TRANSPORT": "polling",
        "TRACES": "1",
        "FRESH": "1",
    }
    assert from_environment(given) == StackOptions(
        routers=2,
        ticketing_workers=3,
        notifiers=4,
        slack_transport="socket",
        telegram_transport="polling",
        traces_page=True,
        fresh=True,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROUTERS", "0"),
        ("ROUTERS", "13"),
        ("NOTIFIERS", "two"),
        ("TICKETING_WORKERS", "-1"),
        ("SLACK_TRANSPORT", "webhook"),
        ("TELEGRAM_TRANSPORT", "http"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(StackError, match=f"{name}={value} is not"):
        from_environment({name: value})
