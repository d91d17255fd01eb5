"""What of a record is about a person: words, names and files go; keys, ids, versions, times and states stay.

So a record without them is still a valid one of the same place and time. An edit's id comes from its text: without it
the edit is another one, that shows no more than that there was one.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from contracts.keys import PersonKey, Platform, platform_of

ERASED = "(erased)"
"""Stands where a text has to be."""

_NAMES = frozenset({"name", "real_name", "email", "time_zone", "locale", "avatar_url"})
_DESK = frozenset({"agent", "bot"})


@dataclass(frozen=True, slots=True)
class Erased:
    """A person, the ids of their messages and of the tickets that they opened.

    What the desk wrote in those tickets quotes and addresses them, so it goes too.
    """

    person: PersonKey
    messages: frozenset[str] = frozenset()
    tickets: frozenset[str] = frozenset()

    @property
    def platform(self) -> Platform:
        return platform_of(self.person)

    @property
    def id(self) -> str:
        """The platform's own."""
        return self.person.partition(":")[2]

    def is_named_in(self, body: bytes) -> bool:
        """Whether a platform's raw payload has the person's id as a word of its own."""
        return re.search(rb"(?<!\w)" + re.escape(self.id.encode()) + rb"(?!\w)", body) is not None

    def without(self, value: Any) -> Any:
        """Any JSON of a record, or part of one, without what is about the person. Doing it again changes nothing."""
        if isinstance(value, list):
            return [self.without(one) for one in value]
        if not isinstance(value, dict):
            return value
        kept = {name: self.without(one) for name, one in value.items()}
        if self.person in (value.get("key"), value.get("id"), value.get("person_key")) or self._is_dialog(value):
            kept = {name: one for name, one in kept.items() if name not in _NAMES}
            if "person_key" in value:
                kept["name"] = ERASED
        if self._is_message(value):
            kept = _wordless(kept)
        if isinstance(value.get("ticket"), dict) and isinstance(value.get("changes"), dict):
            self._change(value, kept)
        return kept

    def _is_message(self, value: dict[str, Any]) -> bool:
        author = value.get("author")
        return (
            value.get("author_key") == self.person
            or (isinstance(author, dict) and author.get("key") == self.person)
            or value.get("message_key") in self.messages
            or value.get("id") in self.messages
        )

    def _is_dialog(self, value: dict[str, Any]) -> bool:
        """Telegram: a private chat has the person's id, and their user name."""
        key = value.get("key")
        if value.get("type") != "dialog" or not isinstance(key, str) or self.platform is not Platform.TELEGRAM:
            return False
        return key.startswith(Platform.TELEGRAM) and key.rpartition(":")[2] == self.id

    def _change(self, value: dict[str, Any], kept: dict[str, Any]) -> None:
        """A ticket's change: its subject comes from the message that opened it."""
        message = value.get("message")
        if self.owns(value["ticket"]):
            kept["ticket"]["subject"] = ERASED
            kept["changes"].pop("subject", None)
            if isinstance(message, dict) and message.get("author_kind") in _DESK:
                kept["message"] = _wordless(kept["message"])
                kept["changes"] = _unsaid(kept["changes"])
        if isinstance(message, dict) and self._is_message(message):
            kept["changes"] = _unsaid(kept["changes"])

    def owns(self, ticket: dict[str, Any]) -> bool:
        """Whether the person opened the ticket."""
        requester = ticket.get("requester")
        asked = isinstance(requester, dict) and requester.get("key") == self.person
        return asked or ticket.get("id") in self.tickets

    def without_in(self, text: bytes | str) -> bytes | str:
        """The same for JSON text: the very same object when it holds nothing of the person. Raises ValueError."""
        value = json.loads(text)
        kept = self.without(value)
        if kept == value:
            return text
        written = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        return written if isinstance(text, str) else written.encode()


def _unsaid(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in changes.items() if name not in {"text", "attachments"}}


def _wordless(message: dict[str, Any]) -> dict[str, Any]:
    kept = {name: one for name, one in message.items() if name not in {"attachments", "author_name"}}
    if "text" in kept:
        kept["text"] = ERASED
    if isinstance(kept.get("revisions"), list):
        kept["revisions"] = [one | {"text": ERASED} if isinstance(one, dict) else one for one in kept["revisions"]]
    return kept
