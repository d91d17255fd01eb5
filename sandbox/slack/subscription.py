"""When Slack stops sending: above the hourly number of events, and when an app fails nearly all of them.

"The Events API" (docs.slack.dev): above 30,000 events per workspace and hour the rest is dropped and told once a
minute; when over 95 % of attempts fail within 60 minutes the subscription is disabled until its address is saved
again, but not below 1,000 events an hour.
"""

from collections import deque
from dataclasses import dataclass

from sandbox.clock import Clock
from sandbox.slack.settings import Settings

HOUR, MINUTE = 3600, 60
FEWEST_EVENTS = 1000
FAILING_SHARE = 0.95


@dataclass(slots=True)
class Minute:
    """The counts of one minute."""

    number: int
    events: int = 0
    attempts: int = 0
    failures: int = 0

    def count(self, *, first: bool, delivered: bool) -> None:
        """Adds an attempt."""
        self.events += first
        self.attempts += 1
        self.failures += not delivered


class Subscription:
    """Counts events and failures; `disabled` stays until `enable`."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._minutes: deque[Minute] = deque()
        self._hour = (0, 0)
        self._minute_told = 0
        self.disabled = False

    def enable(self) -> None:
        """As after saving the address again: nothing that failed before counts."""
        self.disabled = False
        self._minutes.clear()

    def tried(self, *, first: bool, delivered: bool) -> bool:
        """Counts an attempt; whether it was the one that disabled the subscription."""
        number = int(self._clock.elapsed()) // MINUTE
        if not self._minutes or self._minutes[-1].number != number:
            self._minutes.append(Minute(number))
        while self._minutes[0].number <= number - HOUR // MINUTE:
            self._minutes.popleft()
        self._minutes[-1].count(first=first, delivered=delivered)
        if self.disabled or not self._settings.disable_failing:
            return False
        attempts = sum(minute.attempts for minute in self._minutes)
        failures = sum(minute.failures for minute in self._minutes)
        events = sum(minute.events for minute in self._minutes)
        if events < FEWEST_EVENTS or failures <= FAILING_SHARE * attempts:
            return False
        self.disabled = True
        return True

    def over_hourly_limit(self) -> tuple[bool, int | None]:
        """Counts an event: whether it is one too many, and the minute (epoch seconds) to tell that of, once."""
        limit = self._settings.events_per_hour
        if limit is None:
            return False, None
        now = int(self._clock.now())
        hour, count = self._hour
        count = count + 1 if now // HOUR == hour else 1
        self._hour = (now // HOUR, count)
        if count <= limit:
            return False, None
        if now // MINUTE == self._minute_told:
            return True, None
        self._minute_told = now // MINUTE
        return True, now - now % MINUTE
