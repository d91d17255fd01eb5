"""The calls that ingest makes to Telegram: raw JSON, because one odd update must not hide the others of its batch."""

from typing import Any

import aiohttp

Json = dict[str, Any]


class TelegramRefused(Exception):
    """The Bot API answered `ok: false`. `retry_after` is in seconds where it asked to wait."""

    def __init__(self, code: int, description: str, retry_after: float | None = None) -> None:
        super().__init__(f"Telegram answered {code}: {description}")
        self.code = code
        self.retry_after = retry_after


class TelegramUnreachable(Exception):
    """No answer, or one that isn't the Bot API's."""


class TelegramCalls:
    """`api_url` without a slash at the end; the token is a secret and never part of an error."""

    def __init__(self, session: aiohttp.ClientSession, api_url: str, token: str) -> None:
        self._session = session
        self._base = f"{api_url.rstrip('/')}/bot{token}"

    async def call(self, method: str, arguments: Json | None = None, *, seconds: float = 10) -> Any:
        """The call's `result`. Raises TelegramRefused or TelegramUnreachable."""
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._session.post(f"{self._base}/{method}", json=arguments or {}, timeout=timeout) as response:
                answer = await response.json(content_type=None)
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise TelegramUnreachable(f"{method}: {type(error).__name__}") from None
        if not isinstance(answer, dict) or not answer.get("ok"):
            shown: Json = answer if isinstance(answer, dict) else {}
            retry_after = (shown.get("parameters") or {}).get("retry_after")
            raise TelegramRefused(
                shown.get("error_code", response.status), str(shown.get("description", "")), retry_after
            )
        return answer["result"]
