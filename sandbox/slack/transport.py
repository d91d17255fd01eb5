"""One attempt to hand an event to the app, over HTTP: signed, at most three seconds, at most two redirects."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from sandbox.clock import Clock
from sandbox.slack.identity import Identity
from sandbox.slack.settings import Settings

REDIRECTS_FOLLOWED = 2
USER_AGENT = "Slackbot 1.0 (+https://api.slack.com/robots)"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. `reason` is Slack's word for a failure; `stop`: the app asked for no retries."""

    delivered: bool
    reason: str = ""
    status: int | None = None
    stop: bool = False


class Attempting(Protocol):
    """A way for events to reach the app."""

    async def attempt(self, body: bytes, number: int, reason: str) -> Outcome:
        """Tries once; `number` is 0 for the first attempt, then counts retries, with the last failure's reason."""


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Slack's `v0` signature of a request."""
    digest = hmac.new(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return f"v0={digest}"


class HttpTransport:
    """Posts to the events URL over a pool of kept connections."""

    def __init__(self, identity: Identity, settings: Settings, clock: Clock) -> None:
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Closes the pool."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def headers(self, body: bytes, number: int = 0, reason: str = "") -> dict[str, str]:
        """The headers of a request, signed now."""
        timestamp = str(int(self._clock.now()))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": signature(self._identity.signing_secret, timestamp, body),
        }
        if number:
            headers |= {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": reason}
        return headers

    async def attempt(self, body: bytes, number: int, reason: str) -> Outcome:
        """Posts once; see `Attempting`."""
        outcome, _ = await self.post(body, number, reason)
        return outcome

    async def post(self, body: bytes, number: int = 0, reason: str = "") -> tuple[Outcome, bytes]:
        """Posts once and also gives the answer's body, which only url_verification looks at."""
        url = self._settings.events_url
        if url is None:
            return Outcome(False, "connection_failed"), b""
        timeout = aiohttp.ClientTimeout(total=self._settings.timeout_seconds)
        try:
            async with self._pool().post(
                url,
                data=body,
                headers=self.headers(body, number, reason),
                timeout=timeout,
                max_redirects=REDIRECTS_FOLLOWED + 1,
            ) as response:
                answer = await response.read()
        except TimeoutError:
            return Outcome(False, "http_timeout"), b""
        except aiohttp.TooManyRedirects:
            return Outcome(False, "too_many_redirects"), b""
        except (aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError):
            return Outcome(False, "ssl_error"), b""
        except (aiohttp.ClientConnectionError, OSError):
            return Outcome(False, "connection_failed"), b""
        except (aiohttp.ClientError, ValueError):
            return Outcome(False, "unknown_error"), b""
        if 200 <= response.status < 300:
            return Outcome(True, status=response.status), answer
        stop = response.headers.get("X-Slack-No-Retry") == "1"
        return Outcome(False, "http_error", response.status, stop), answer

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
            jar = aiohttp.DummyCookieJar(loop=asyncio.get_running_loop())
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar)
        return self._session
