"""How the Bot API says no.

Invariant: a refusal is an `ApiError`; its wording is Telegram's, taken from tdlib/telegram-bot-api and tdlib/td,
because clients tell refusals apart by their description only. Nothing else decides an HTTP status.
"""

from __future__ import annotations

from typing import Any

TITLES = {
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class ApiError(Exception):
    """A refusal: HTTP status (= error_code), description, parameters (`retry_after`, `migrate_to_chat_id`)."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, Any]:
        """The answer's JSON."""
        body: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = self.parameters
        return body


def bad_request(reason: str, **parameters: int) -> ApiError:
    return ApiError(400, f"Bad Request: {reason}", **parameters)


def forbidden(reason: str) -> ApiError:
    return ApiError(403, f"Forbidden: {reason}")


def conflict(reason: str) -> ApiError:
    return ApiError(409, f"Conflict: {reason}")


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized")


def not_found(reason: str | None = None) -> ApiError:
    return ApiError(404, f"Not Found: {reason}" if reason else "Not Found")


def too_many_requests(retry_after: int) -> ApiError:
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after=retry_after)


def server_error(code: int, reason: str | None = None) -> ApiError:
    title = TITLES.get(code, "Internal Server Error")
    return ApiError(code, f"{title}: {reason}" if reason else title)


def not_simulated(method: str) -> ApiError:
    """The method exists and its arguments are right, but the sandbox does not play it (Telegram never says so)."""
    return ApiError(400, f"Bad Request: not simulated: the sandbox knows {method} but does not play it")


def migrated(new_chat_id: int) -> ApiError:
    return bad_request("group chat was upgraded to a supergroup chat", migrate_to_chat_id=new_chat_id)


NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same as a current "
    "content and reply markup of the message"
)
QUERY_TOO_OLD = "query is too old and response timeout expired or query ID is invalid"
WEBHOOK_ACTIVE = "can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
OTHER_POLL = "terminated by other getUpdates request; make sure that only one bot instance is running"
POLL_ENDED_BY_WEBHOOK = "terminated by setWebhook request"


class ControlError(Exception):
    """The control API was asked for something that cannot happen in this world."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
