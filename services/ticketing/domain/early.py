"""A change that comes before its message is kept, and made as soon as the message is there, in the platform's order.

Edits and deletions follow their message on one partition; but a reaction to our own post may overtake the receipt that
names the post, and in a channel that just got a new key anything may overtake what was said under the old one.
"""

from datetime import datetime

from contracts.ticket_commands_v1 import RecordReaction, RemoveMessage, ReviseMessage
from services.ticketing.domain.book import Book, EarlyChange, MessageChange
from services.ticketing.domain.chat_changes import record_reaction, remove_message, revise_message


def change_message(book: Book, command: MessageChange, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    """Returns the outcome and the ticket concerned: `early` when the message isn't there yet."""
    message = book.message_at(command.message_key)
    if message is None:
        book.keep_change(EarlyChange(command, traceparent))
        return "early", None
    match command:
        case ReviseMessage():
            return revise_message(book, message, command, at, traceparent)
        case RemoveMessage():
            return remove_message(book, message, command, at, traceparent)
        case RecordReaction():
            return record_reaction(book, message, command, at, traceparent)


def catch_up(book: Book, at: datetime) -> None:
    """Make the changes whose messages are there by now."""
    for key in [key for key in book.early_changes if book.message_at(key) is not None]:
        for change in sorted(book.take_changes(key), key=_order):
            change_message(book, change.command, at, change.traceparent)


def _order(change: EarlyChange) -> tuple[datetime, int]:
    """The platform's time; of one time, as they stand in chat.events."""
    offset = change.command.decided.offset
    match change.command:
        case ReviseMessage():
            return change.command.edited_at, offset
        case RemoveMessage():
            return change.command.deleted_at, offset
        case RecordReaction():
            return change.command.at, offset
