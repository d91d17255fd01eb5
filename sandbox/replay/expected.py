"""How many tickets a channel makes, from times and authors alone: the rule of docs/routing.md in a few separate lines.

A line opens a ticket unless its author also wrote the line before it, at most `continue_within` earlier.
"""

from collections.abc import Iterable
from datetime import timedelta

from sandbox.replay.corpus import Chat

CONTINUE_WITHIN = timedelta(minutes=3)


def count_tickets(lines: Iterable[Chat]) -> int:
    count = 0
    previous: Chat | None = None
    for line in lines:
        same = previous is not None and previous.person == line.person
        if previous is None or not same or line.at - previous.at > CONTINUE_WITHIN:
            count += 1
        previous = line
    return count
