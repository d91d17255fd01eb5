import pytest

from chassis.fence import Verdict, judge


@pytest.mark.parametrize(
    ("first", "fetched_from", "stored", "compacted", "verdict"),
    [
        (10, 10, 10, False, Verdict.GO),
        (10, None, 10, False, Verdict.GO),
        (0, 0, 0, True, Verdict.GO),
        (9, 9, 10, False, Verdict.DROP),  # a zombie, or a doubtful commit that had worked
        (9, 9, 10, True, Verdict.DROP),
        (11, 11, 10, False, Verdict.SEEK),  # a failed batch whose seek was lost
        (11, 11, 10, True, Verdict.SEEK),  # ... looks no different in a compacted topic
        (11, None, 10, True, Verdict.SEEK),  # from a poll before any seek
        (11, 9, 10, False, Verdict.SEEK),
        (11, 10, 10, True, Verdict.GO),  # compaction took offset 10
        (11, 10, 10, False, Verdict.HOLE),  # the log itself lacks offset 10
    ],
)
def test_a_batch_is_judged_by_where_it_begins(
    first: int, fetched_from: int | None, stored: int, compacted: bool, verdict: Verdict
) -> None:
    assert judge(first=first, fetched_from=fetched_from, stored=stored, compacted=compacted) is verdict
