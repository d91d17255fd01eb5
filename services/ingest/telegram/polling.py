"""Telegram's updates by long polling.

`getUpdates` confirms everything below `offset`, so the offset moves only past updates that Kafka has acknowledged
(accepted means kept). What can't be published now is asked for again; Telegram keeps it 24 hours.
"""

import asyncio
import time

from chassis import metrics
from chassis.logs import get_logger
from services.ingest.publish import Intake, TooLarge, Unavailable, raw
from services.ingest.telegram.calls import TelegramCalls, TelegramRefused, TelegramUnreachable

ALLOWED_UPDATES = (
    *("message", "edited_message", "channel_post", "edited_channel_post"),
    *("callback_query", "message_reaction", "my_chat_member"),
)
POLL_SECONDS = 25
LONGEST_PAUSE_SECONDS = 30.0
log = get_logger(__name__)


class Polling:
    """One bot's loop. Only one may run a bot: Telegram answers 409 to the second."""

    def __init__(self, calls: TelegramCalls, intake: Intake) -> None:
        self._calls = calls
        self._intake = intake
        self._offset: int | None = None
        self._last_turn = time.monotonic()
        self._stopping = asyncio.Event()
        metrics.from_zero(metrics.webhook_requests, ["telegram"], ["unavailable"])

    def last_turn_age(self) -> float:
        """Seconds since the loop last got an answer or gave one up."""
        return time.monotonic() - self._last_turn

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            try:
                await self._turn()
                pause = 0.0
            except TelegramRefused as error:
                pause = error.retry_after or _longer(pause)
                self._complain(error)
            except TelegramUnreachable as error:
                pause = _longer(pause)
                self._complain(error)
            except Unavailable as error:
                pause = _longer(pause)
                metrics.webhook_requests.labels("telegram", "unavailable").inc()
                log.warning("update not taken, Telegram keeps it", reason=str(error))
            self._last_turn = time.monotonic()
            if pause:
                await self._wait(pause)

    async def _turn(self) -> None:
        arguments = {"timeout": POLL_SECONDS, "allowed_updates": list(ALLOWED_UPDATES)}
        if self._offset is not None:
            arguments["offset"] = self._offset
        call = asyncio.ensure_future(self._calls.call("getUpdates", arguments, seconds=POLL_SECONDS + 10))
        stopping = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait((call, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not call.done():
                return
            updates = call.result()
            metrics.transport_connected.labels("telegram").set(1)
        finally:
            call.cancel()
            stopping.cancel()
        for update in updates:
            try:
                await self._intake.take(raw(update), update)
            except TooLarge as error:
                log.warning(
                    "update dropped: it does not fit a record", update_id=update["update_id"], reason=str(error)
                )
            self._offset = update["update_id"] + 1

    def _complain(self, error: Exception) -> None:
        metrics.transport_connected.labels("telegram").set(0)
        log.warning("polling Telegram failed, trying again", error=str(error))

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def _longer(pause: float) -> float:
    return min(max(pause * 2, 0.5), LONGEST_PAUSE_SECONDS)
