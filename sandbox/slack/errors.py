"""One exception for everything Slack refuses: the `error` code is what travels."""

from typing import Any


class SlackError(Exception):
    """Answered as `{"ok": false, "error": code, ...}`; `details` are further fields of the answer."""

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


def invalid_arguments(*messages: str) -> SlackError:
    """The answer to missing or ill-typed arguments; each message says which."""
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {text}" for text in messages]})
