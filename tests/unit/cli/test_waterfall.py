"""A trace is shown as bars, children under their parents, siblings in the order of their start."""

from cli.waterfall import WIDTH, Span, lines


def span(span_id: str, parent: str | None, start: float, end: float) -> Span:
    return Span(span_id, parent, "p", span_id, int(start * 1e6), int(end * 1e6))


def test_children_stand_under_their_parents_with_offset_and_duration() -> None:
    shown = lines([span("child", "root", 50, 100), span("root", None, 0, 100), span("late", "child", 90, 100)])
    assert [line.split("p: ")[1].split()[0] for line in shown] == ["root", "child", "late"]
    assert [len(line) - len(line.lstrip()) for line in shown] == [2, 4, 6]
    assert shown[1].rstrip().endswith("50.0 +  50.0 ms")
    assert shown[0].count("\N{FULL BLOCK}") == WIDTH
    assert shown[1].count("\N{FULL BLOCK}") == WIDTH // 2


def test_a_span_whose_parent_is_elsewhere_stands_at_the_left_and_a_circle_ends() -> None:
    shown = lines([span("a", "unknown", 0, 1), span("b", "c", 0, 1), span("c", "b", 0, 1)])
    assert shown[0].startswith("  p: a")
    assert len(shown) == 3


def test_a_child_that_began_before_its_parent_stands_under_it_all_the_same() -> None:
    shown = lines([span("wait", "publish", 0, 50), span("other", "wait", 60, 70), span("publish", None, 0.5, 20)])
    assert [line.strip().split()[1] for line in shown] == ["publish", "wait", "other"]
    assert [line.index("p: ") for line in shown] == [2, 4, 6]
    assert shown[0].count("\N{FULL BLOCK}") < shown[1].count("\N{FULL BLOCK}")
