"""Slack's Events API over HTTP.

"The Events API" (docs.slack.dev): the request is signed with the app's signing secret over version, timestamp and raw
body; a timestamp more than five minutes off may be a replay; `url_verification` is answered with its challenge; what
isn't answered 2xx within three seconds comes again three times (at once, after one minute, after five).

Or our clock is off: what was refused then is read from history once it is right again. A replay asks for nothing.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Callable

from services.ingest.asgi import Answer, Request
from services.ingest.catch_up import CatchUp
from services.ingest.parsed import clean
from services.ingest.publish import Intake
from services.ingest.webhook import NOT_JSON, accept, count, count_from_zero, load_object, refuse

MAX_AGE_SECONDS = 300
CLOCK = "clock"
"""The way in that our clock shuts."""
_SECONDS = re.compile(r"[0-9]{1,12}")


class SlackWebhook:
    """Answers `POST /slack/events`. A request signed with any of the secrets counts; `now` gives seconds since 1970,
    `ticks` those that pass, whatever is done to the clock.
    """

    path = "/slack/events"

    def __init__(
        self,
        intake: Intake,
        *signing_secrets: str,
        catch_up: CatchUp | None = None,
        now: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._intake = intake
        self._catch_up = catch_up
        self._secrets = [secret.encode() for secret in signing_secrets]
        self._now = now
        self._ticks = ticks
        self._stale: tuple[int, float] | None = None
        """The first of the stale ones since the last that wasn't: its timestamp, and the tick at which it came."""
        count_from_zero("slack", "signature_missing", "signature_stale", "signature_wrong")

    async def __call__(self, request: Request) -> Answer:
        return count("slack", await self._answer(request))

    async def _answer(self, request: Request) -> Answer:
        if request.path != self.path:
            return Answer(404, "not_found", {"error": "not_found", "detail": f"Slack's events go to {self.path}"})
        if request.method != "POST":
            return Answer(405, "bad_method", {"error": "bad_method"}, {"allow": "POST"})
        if (refusal := self._verify(request)) is not None:
            return refusal
        payload = load_object(request.body)
        if payload is None:
            return NOT_JSON
        if payload.get("type") == "url_verification":
            challenge = payload.get("challenge")
            if not isinstance(challenge, str):
                return Answer(400, "bad_challenge", {"error": "bad_challenge", "detail": "the challenge is no text"})
            return Answer(200, "url_verification", {"challenge": clean(challenge)})
        return await accept(self._intake, "slack", request.body, payload)

    def _verify(self, request: Request) -> Answer | None:
        timestamp = request.headers.get("x-slack-request-timestamp", "")
        signature = request.headers.get("x-slack-signature", "")
        if not timestamp or not signature:
            return refuse(
                "slack", 401, "signature_missing", "X-Slack-Signature and X-Slack-Request-Timestamp are required"
            )
        if not _SECONDS.fullmatch(timestamp):
            return refuse("slack", 401, "signature_stale", "the timestamp is none")
        base = b"v0:" + timestamp.encode() + b":" + request.body
        made = [b"v0=" + hmac.new(secret, base, hashlib.sha256).hexdigest().encode() for secret in self._secrets]
        if not any(hmac.compare_digest(one, signature.encode()) for one in made):
            return refuse("slack", 401, "signature_wrong", "the signature is not made with this app's signing secret")
        if abs(self._now() - int(timestamp)) > MAX_AGE_SECONDS:
            self._stale = self._stale or (int(timestamp), self._ticks())
            return refuse("slack", 401, "signature_stale", f"the timestamp is more than {MAX_AGE_SECONDS} s off")
        if self._stale is not None:
            self._look_back(*self._stale)
            self._stale = None
        return None

    def _look_back(self, sent: int, came: float) -> None:
        """The clock is right now, so it says when the stale request came: just when it was sent, if our clock was off
        then; long after, if it was replayed.
        """
        came_at = self._now() - (self._ticks() - came)
        if self._catch_up is not None and abs(came_at - sent) <= MAX_AGE_SECONDS:
            self._catch_up.fail([CLOCK], since=sent)
            self._catch_up.work([CLOCK])
