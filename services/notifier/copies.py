"""A part of a reply stands in the chat once: a copy is removed by whoever has found it, or has posted it too late.

A worker whose lease was lost while it posted may have made a second copy, of which only it knows. It looks at what the
ledger has: another message, so its own is the copy; none yet, so the lease's new holder is told to read back before it
settles. What can't be removed for now is tried a few times, before the process may end.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence

from chassis.clock import Clock
from chassis.database import Database
from chassis.logs import get_logger
from contracts.keys import MessageKey, Platform, message_id_of
from services.notifier.ledger import leases
from services.notifier.ledger.leases import Lease
from services.notifier.outcomes import Done, Doubtful, Found, Later, Refused, Sender, Target
from services.notifier.writing import insist

TRIES = 4
PAUSE_SECONDS = 5.0
"""The longest between tries."""

log = get_logger("notifier")


async def remove(sender: Sender, part: int, copies: Sequence[MessageKey]) -> Later | None:
    """Remove copies of a part. None: they are gone, or never will be."""
    for copy in copies:
        match await sender.remove(copy):
            case Later() as later:
                return later
            case Doubtful(error=error):
                return Later(error)
            case Refused(error=error):
                log.error("copy_left", part=part, cause=error.code)
            case Done():
                log.warning("copy_removed", part=part)
    return None


class Surplus:
    """What posts under leases that were lost meanwhile have left in chats.

    `hold` closes the bucket that an errand's refusal tells of. `pause` is in seconds, after so many failures more than
    the lease's.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        hold: Callable[[Lease, str, Later], Awaitable[None]],
        pause: Callable[[Lease, int], float],
    ) -> None:
        self._database = database
        self._clock = clock
        self._hold = hold
        self._pause = pause

    async def remove(self, lease: Lease, sender: Sender, part: int, key: MessageKey) -> None:
        """Whoever has the lease now may have posted too. Or it is ours that is written, and only the commit's
        acknowledgement got lost.
        """
        if lease.place.channel.platform is Platform.TELEGRAM:
            return  # its new holder has called it unknown; a person sees it in the chat
        failures = 0
        while True:
            copies, left = await insist(lambda: self._find(lease, sender, part, key), self._clock)
            left = left or await remove(sender, part, copies)
            if left is None:
                return
            failures += 1
            await insist(functools.partial(self._hold, lease, "delete", left), self._clock)
            if failures == TRIES:
                log.error("copy_left", part=part, cause=left.error.code)
                return
            await asyncio.sleep(min(left.held_seconds or self._pause(lease, failures), PAUSE_SECONDS))

    async def _find(
        self, lease: Lease, sender: Sender, part: int, key: MessageKey
    ) -> tuple[Sequence[MessageKey], Later | None]:
        """What is to be removed, or what keeps us from seeing it."""
        recorded = await leases.part_key(self._database, lease.entry.delivery_id, part)
        if recorded is None:
            await leases.ask_for_recheck(self._database, lease)
            recorded = await leases.part_key(self._database, lease.entry.delivery_id, part)
        if recorded is None:
            return (), None  # its holder hasn't settled, and reads back
        if not _same_message(recorded, key):
            return (key,), None
        found = await sender.find(
            Target(lease.entry.delivery_id, part, lease.channel, lease.place), lease.since.timestamp()
        )
        if isinstance(found, Later):
            return (), found
        there = (found.key, *found.copies) if isinstance(found, Found) else ()
        return [one for one in there if not _same_message(one, recorded)], None


def _same_message(one: MessageKey, other: MessageKey) -> bool:
    """Under whichever name of its channel: it may have moved in between."""
    return message_id_of(one) == message_id_of(other)
