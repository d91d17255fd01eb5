"""A valid context is read in its parts; anything else starts a new trace instead of failing."""

from __future__ import annotations

import pytest

from chassis.tracecontext import TraceParent, parse, unsampled_root

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True)])
def test_the_sampled_flag_is_one_bit(flags: str, sampled: bool) -> None:
    assert parse(f"00-{TRACE}-{SPAN}-{flags}") == TraceParent(TRACE, SPAN, sampled)


def test_a_later_version_may_be_longer() -> None:
    assert parse(f"01-{TRACE}-{SPAN}-01-more") == TraceParent(TRACE, SPAN, True)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
    ],
)
def test_an_invalid_context_is_none(text: str | None) -> None:
    assert parse(text) is None


def test_an_unsampled_root_is_valid_and_new_each_time() -> None:
    first, second = parse(unsampled_root()), parse(unsampled_root())
    assert first is not None
    assert second is not None
    assert not first.sampled
    assert first.trace_id != second.trace_id


def test_the_parts_write_the_header_again() -> None:
    assert str(TraceParent(TRACE, SPAN, True)) == f"00-{TRACE}-{SPAN}-01"
