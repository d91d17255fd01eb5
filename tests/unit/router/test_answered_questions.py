"""A question that an automatic answer met, and that becomes context later: from its events to ticketing's book."""

from collections.abc import Iterator

from contracts.chat_events_v1 import ChatEvent
from contracts.ticket_commands_v1 import PlaceMessage, RecordAutomaticAnswer, TicketCommand
from services.router.commands import Origin, outgoing
from services.ticketing.domain.apply import apply_command
from services.ticketing.domain.book import Book
from tests.unit.router.makers import ALICE, Chat, at, policy, post

ANSWERING = policy(answers=[{"name": "faq", "text": "Read the guide", "words": ["lesson"], "opens_ticket": False}])
QUESTION, READ_IN = (post(ALICE, 0, "where is the lesson?", backfilled=late) for late in (False, True))
FOLLOW_UP = post(ALICE, 60, "that didn't help", thread=0)


def commands(chat: Chat, event: ChatEvent, offset: int) -> Iterator[TicketCommand]:
    for one in outgoing(event, chat.say(event), Origin(5, offset, 7, None)):
        if isinstance(one.model, TicketCommand):
            yield one.model


def test_a_question_that_an_automatic_answer_met_is_context_of_the_ticket_that_follows() -> None:
    chat, book = Chat(ANSWERING), Book(numbers=[1])
    outcomes = [
        (type(command), apply_command(book, command, at(100), None)[0])
        for offset, event in enumerate((QUESTION, FOLLOW_UP, READ_IN))
        for command in commands(chat, event, offset)
    ]
    assert outcomes == [
        (RecordAutomaticAnswer, "no_ticket"),
        (PlaceMessage, "opened"),
        (PlaceMessage, "appended"),
    ]
    assert book.messages[QUESTION.message_key].context


def test_what_is_decided_as_context_again_keeps_its_id() -> None:
    ids = []
    for _ in range(2):
        chat = Chat(ANSWERING)
        ids.append([one.command_id for event in (QUESTION, FOLLOW_UP, READ_IN) for one in commands(chat, event, 0)])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 3
