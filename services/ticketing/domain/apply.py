"""One command, one function. Total: a command of a known type always has an outcome, and is applied once by its id."""

from datetime import datetime

from contracts.ticket_commands_v1 import (
    CloseTicket,
    MoveChannel,
    PlaceMessage,
    RecordAutomaticAnswer,
    RecordReaction,
    RemoveMessage,
    ReviseMessage,
    TicketCommand,
)
from services.ticketing.domain.book import Book, Done
from services.ticketing.domain.chat_changes import close_ticket
from services.ticketing.domain.deliveries import record_automatic_answer
from services.ticketing.domain.early import catch_up, change_message
from services.ticketing.domain.moving import move_channel
from services.ticketing.domain.placing import place_message


def apply_command(book: Book, command: TicketCommand, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    """Returns the outcome and the ticket concerned. `repeated`: the command was applied before."""
    if command.command_id in book.applied:
        return "repeated", None
    outcome, ticket_id = _apply(book, command, at, traceparent)
    book.applied.add(command.command_id)
    book.done.append(Done(command.command_id, outcome, ticket_id))
    catch_up(book, at)
    return outcome, ticket_id


def _apply(book: Book, command: TicketCommand, at: datetime, traceparent: str | None) -> tuple[str, str | None]:
    match command:
        case PlaceMessage():
            return place_message(book, command, at, traceparent)
        case ReviseMessage() | RemoveMessage() | RecordReaction():
            return change_message(book, command, at, traceparent)
        case CloseTicket():
            return close_ticket(book, command, at, traceparent)
        case RecordAutomaticAnswer():
            return record_automatic_answer(book, command, at, traceparent)
        case MoveChannel():
            return move_channel(book, command, at, traceparent)
        case _:
            raise TypeError(f"{type(command).__name__} is no ticket command")
