"""A batch is applied from the stored position on: nothing before it twice, nothing after a hole.

Pure: what a batch's first offset means, compared with the position that its transaction has locked.
"""

from __future__ import annotations

import enum


class Verdict(enum.Enum):
    """What to do with one partition's records of a batch."""

    GO = "go"
    """They begin at the stored position."""
    DROP = "drop"
    """Some of them were done already, by this or another process: leave those out."""
    SEEK = "seek"
    """They begin after the stored position: read again from there."""
    HOLE = "hole"
    """They begin after the stored position though they were read from it: the log itself lacks records."""


def judge(*, first: int, fetched_from: int | None, stored: int, compacted: bool) -> Verdict:
    """Compare a batch with the stored position of its partition.

    `first` is the batch's first offset, `fetched_from` the offset that this process asked the log for when it got the
    batch (None when unknown), `stored` the next offset that the database expects. Only a compacted topic may have gaps:
    there, records read from the stored position may begin later.
    """
    if first < stored:
        return Verdict.DROP
    if first == stored:
        return Verdict.GO
    if fetched_from != stored:
        return Verdict.SEEK
    return Verdict.GO if compacted else Verdict.HOLE
