"""Derived ids: the same fact has the same id, whoever computes it and however often it arrives.

Ids of chat events use only what the platform's history shows too (never Slack's `event_id`), so that an event read
from history after a gap is the same event. Only a reaction adds its time, and in Telegram the update's number, which no
history shows: a person may add, remove and add it again.
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime

_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
"""Two characters at a time: the library's base 32 takes four times as long, and each message needs several ids."""


def _digest(*parts: str) -> str:
    """26 characters, 128 bits, lower case. Parts are length-prefixed, so that no two lists of parts collide."""
    encoded = [part.encode() for part in parts]
    prefixed = b"".join([len(one).to_bytes(4, "big") + one for one in encoded])
    digest = hashlib.sha256(prefixed).digest()
    number = int.from_bytes(digest[:16], "big") << 2  # 130 bits: 26 characters of base 32 (RFC 4648)
    return "".join([_PAIRS[number >> shift & 1023] for shift in range(120, -1, -10)])


def content_hash(text: str) -> str:
    """12 hexadecimal digits that tell two contents of one message apart."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def post_event(message_key: str) -> str:
    return message_key


def edit_event(message_key: str, edited_at: datetime, text: str, files: Iterable[str] = ()) -> str:
    """`files` are their ids: who takes a file away leaves the text, and in Slack the time of the edit before too."""
    content = "\0".join((text, *sorted(files)))
    return f"{message_key}:edited:{edited_at.timestamp():.6f}:{content_hash(content)}"


def deletion_event(message_key: str) -> str:
    return f"{message_key}:deleted"


def reaction_event(
    message_key: str, person_key: str, name: str, *, added: bool, at: datetime, update_id: int | None = None
) -> str:
    """Telegram: `at` is a whole second, and `update_id` tells apart what happened within it."""
    what = f"{message_key}:reaction:{person_key}:{name}:{'added' if added else 'removed'}:{at.timestamp():.6f}"
    return what if update_id is None else f"{what}:{update_id}"


def button_event(channel_key: str, query_id: str) -> str:
    """Telegram: `query_id` is the callback query's id."""
    return f"{channel_key}:button:{query_id}"


def channel_moved_event(old_channel_key: str, new_channel_key: str) -> str:
    return f"{old_channel_key}:moved:{new_channel_key}"


def history_request(what: str, requested_at: datetime) -> str:
    """`what` is a channel key, or a platform where all its channels are meant."""
    return f"{what}:history:{requested_at.timestamp():.6f}"


def command(event_id: str, index: int) -> str:
    """`index` counts the commands of one decision from 0."""
    return f"{event_id}#{index}"


def ticket(place_key: str, message_key: str) -> str:
    """The ticket that a message opens in a place."""
    return f"tkt_{_digest('ticket', place_key, message_key)}"


def conversation(place_key: str, message_key: str) -> str:
    return f"cnv_{_digest('conversation', place_key, message_key)}"


def contact(person_key: str) -> str:
    """A requester first seen under this identity."""
    return f"con_{_digest('contact', person_key)}"


def reply(ticket_id: str, version: int) -> str:
    """An agent's reply, by the ticket's version that wrote it. Also the delivery's id."""
    return f"rpl_{_digest('reply', ticket_id, str(version))}"


def automatic_reply(event_id: str, rule: str) -> str:
    """An automatic answer, by the event and the policy's rule that caused it. Also the delivery's id."""
    return f"rpl_{_digest('automatic', event_id, rule)}"


def ticket_event(ticket_id: str, version: int) -> str:
    return f"{ticket_id}:{version}"


def receipt(delivery_id: str, version: int) -> str:
    """`version` counts the changes of one delivery from 1."""
    return f"{delivery_id}:{version}"
