"""Telegram's updates by webhook.

Bot API, `setWebhook`: each request carries the secret in `X-Telegram-Bot-Api-Secret-Token`; anything but 2xx is sent
again, and until then the chat's later messages wait. A body may call a method in its answer: ours are empty.
"""

import hmac

from services.ingest.asgi import Answer, Request
from services.ingest.publish import Intake
from services.ingest.webhook import NOT_JSON, accept, count, count_from_zero, load_object, refuse


class TelegramWebhook:
    """Answers `POST /telegram/<bot id>`. A request with any of the secrets counts."""

    def __init__(self, intake: Intake, bot_id: int, *secret_tokens: str) -> None:
        self._intake = intake
        self.path = f"/telegram/{bot_id}"
        self._secrets = [secret.encode() for secret in secret_tokens]
        count_from_zero("telegram", "secret_missing", "secret_wrong")

    async def __call__(self, request: Request) -> Answer:
        return count("telegram", await self._answer(request))

    async def _answer(self, request: Request) -> Answer:
        if request.path != self.path:
            return Answer(404, "not_found", {"error": "not_found", "detail": f"this bot's updates go to {self.path}"})
        if request.method != "POST":
            return Answer(405, "bad_method", {"error": "bad_method"}, {"allow": "POST"})
        secret = request.headers.get("x-telegram-bot-api-secret-token")
        if secret is None:
            return refuse("telegram", 401, "secret_missing", "X-Telegram-Bot-Api-Secret-Token is required")
        if not any(hmac.compare_digest(secret.encode(), one) for one in self._secrets):
            return refuse("telegram", 401, "secret_wrong", "the secret token is not the one given to setWebhook")
        payload = load_object(request.body)
        return NOT_JSON if payload is None else await accept(self._intake, "telegram", request.body, payload)
