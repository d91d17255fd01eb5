"""Automatic answers: which messages fire them, where they go, and what they do to tickets."""

from typing import Any

import pytest

from contracts.keys import message_id_of
from contracts.ticket_events_v1 import Status
from services.ingest.slack.content import full_text
from services.ingest.telegram.quoting import with_words_of_others
from services.router.decide.decisions import Answer, PlacePost, Speak
from tests.unit.router.makers import ALICE, BOB, DIALOG, GROUP, MENTOR, OTHER_BOT, Chat, policy, post

PRICES = {"name": "prices", "text": "See /prices", "words": ["price", "how much"], "commands": ["prices"]}
HOURS = {"name": "hours", "text": "9 to 5", "words": ["hours"], "opens_ticket": False}


def with_answers(*answers: dict[str, Any], **document: Any) -> Chat:
    return Chat(policy(answers=list(answers), **document))


def answer_to(chat: Chat, *args: Any, **more: Any) -> Answer | None:
    return next((one for one in chat.say(post(*args, **more)) if isinstance(one, Answer)), None)


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("What is the price?", True),
        ("PRICE", True),
        ("so how   much is it", True),
        ("priceless", False),
        ("enterprice", False),
        ("howmuch", False),
        ("", False),
    ],
)
def test_trigger_words_are_whole_words_in_any_case(text: str, fires: bool) -> None:
    assert (answer_to(with_answers(PRICES), ALICE, 0, text) is not None) == fires


SHARED = [
    {"is_share": True, "author_name": "Price List", "text": "price?\nprice!", "from_url": "https://price.example/"}
]
SAID = {"type": "user", "sender_user": {"id": 2, "first_name": "Price"}}


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("> what is the price?\nI don't understand that", False),
        (">what is the price?\nI don't understand that", False),
        ("> lessons\nand the price?", True),
        ("how\n> is it\nmuch", False),
        ("is 2 > 1, and the price?", True),
        ("> lessons\nthe price: https://price.example/", True),
        ("> lessons\nhttps://a.example/\nhttps://price.example/", True),
        (full_text({"text": "see", "attachments": SHARED}), False),
        (full_text({"text": "price", "attachments": SHARED}), True),
        (with_words_of_others({"quote": {"text": "the price\n\nprice"}}, "this"), False),
        (with_words_of_others({"quote": {"text": "the\n\nlesson"}}, "price?"), True),
        (with_words_of_others({"forward_origin": SAID}, "the price"), False),
    ],
)
def test_trigger_words_are_the_authors_own(text: str, fires: bool) -> None:
    assert (answer_to(with_answers(PRICES), ALICE, 0, text) is not None) == fires
    opened = Chat(policy(defaults={"open_on": "keyword", "keywords": ["price", "how much"]})).say(post(ALICE, 0, text))
    assert any(isinstance(one, PlacePost) for one in opened) == fires


def test_a_command_fires_its_answer() -> None:
    fired = answer_to(with_answers(HOURS, PRICES), ALICE, 0, "/prices hours", DIALOG)
    assert fired is not None
    assert (fired.name, fired.rule, fired.text) == ("prices", "answer_prices", "See /prices")


def test_the_documents_first_answer_wins() -> None:
    fired = answer_to(with_answers(HOURS, PRICES), ALICE, 0, "price and hours", DIALOG)
    assert fired is not None
    assert fired.name == "hours"


def test_an_answer_with_a_ticket_comes_after_its_message() -> None:
    placed, answer, *rest = with_answers(PRICES).say(post(ALICE, 0, "price?"))
    assert isinstance(placed, PlacePost)
    assert isinstance(answer, Answer)
    assert (answer.address, answer.conversation_id) == (placed.address, placed.conversation_id)
    assert answer.ticket_id == placed.ticket_id
    assert [type(one) for one in rest] == [Speak]


def test_an_answer_without_a_ticket_goes_to_the_messages_own_thread() -> None:
    asked = post(ALICE, 0, "which hours?")
    answer, speak = with_answers(HOURS).say(asked)
    assert isinstance(answer, Answer)
    assert isinstance(speak, Speak)
    assert answer.ticket_id is None
    assert answer.address.thread == message_id_of(asked.message_key)


def test_in_a_group_it_quotes_the_message() -> None:
    asked = post(ALICE, 0, "which hours?", GROUP)
    (answer, _) = with_answers(HOURS).say(asked)
    assert isinstance(answer, Answer)
    assert answer.address.reply_to == asked.message_key


def test_in_a_conversation_the_message_is_appended_and_answered() -> None:
    chat = with_answers(HOURS)
    chat.place(post(ALICE, 0, channel=DIALOG))
    placed, answer = chat.say(post(ALICE, 60, "which hours?", DIALOG))
    assert isinstance(placed, PlacePost)
    assert placed.rule == "append_dialog"
    assert placed.open is None  # it must not open a ticket should this one have ended meanwhile
    assert isinstance(answer, Answer)


def test_it_does_not_reopen_an_ended_ticket() -> None:
    chat = with_answers(HOURS)
    first = chat.place(post(ALICE, 0, channel=DIALOG))
    chat.ticket_is(Status.CLOSED, first, ended=10)
    placed = chat.place(post(ALICE, 60, "which hours?", DIALOG))
    assert (placed.rule, placed.open) == ("append_to_ended", None)


def test_what_follows_an_answered_question_opens_its_own_ticket() -> None:
    chat = with_answers(HOURS)
    chat.say(post(ALICE, 0, "which hours?"))
    assert chat.place(post(ALICE, 30, "and the lesson?")).rule == "open"


def test_where_nothing_opens_answers_are_still_given() -> None:
    chat = with_answers(PRICES, defaults={"open_on": "never"})
    answer, ignored, _ = chat.say(post(ALICE, 0, "price?"))
    assert isinstance(answer, Answer)
    assert ignored.rule == "open_on_never"  # type: ignore[union-attr]


def test_history_gets_no_answer() -> None:
    chat = with_answers(PRICES)
    placed, *rest = chat.say(post(ALICE, 0, "price?", backfilled=True))
    assert isinstance(placed, PlacePost)
    assert [type(one) for one in rest] == [Speak]


def test_what_opens_no_ticket_opens_none_in_history_either() -> None:
    chat = with_answers(HOURS)
    ignored, _ = chat.say(post(ALICE, 0, "hours", backfilled=True))
    assert ignored.rule == "answer_in_history"  # type: ignore[union-attr]


@pytest.mark.parametrize("author", [MENTOR, OTHER_BOT])
def test_only_customers_are_answered(author: object) -> None:
    chat = with_answers(PRICES, defaults={"bots": ["B77"]})
    chat.place(post(BOB, 0))
    assert answer_to(chat, author, 5, "price?", thread=0) is None


def test_a_start_is_answered_when_the_policy_says_so() -> None:
    chat = with_answers({"name": "welcome", "text": "Hello!", "commands": ["/start"], "opens_ticket": False})
    (answer,) = chat.say(post(ALICE, 0, "/start", DIALOG))
    assert isinstance(answer, Answer)


def test_an_answer_for_some_channels_only() -> None:
    chat = with_answers({**PRICES, "match": {"platform": "telegram"}})
    assert answer_to(chat, ALICE, 0, "price?") is None
    assert answer_to(chat, ALICE, 0, "price?", DIALOG) is not None
