"""What a record keeps of a person who was erased: everything but their words, names and files."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.base import RecordModel
from contracts.erasure import ERASED, Erased
from contracts.keys import telegram_person
from contracts.topics import MODELS

EXAMPLES = sorted((Path(__file__).parents[3] / "contracts" / "examples").glob("*.json"))
PERSON = telegram_person(501)
ERASURE = Erased(PERSON, frozenset({"slack:C1:1.1"}), frozenset({"tkt_1"}))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_record_without_its_people_is_still_one_of_its_kind(path: Path) -> None:
    example = json.loads(path.read_text())
    model: type[RecordModel] = MODELS[example["headers"]["ce_type"]]
    value, found = example["value"], json.dumps(example["value"])
    for person in ("slack:U012", "telegram:501"):
        erased = Erased(type(PERSON)(person), frozenset({"slack:C034:1716308800.000100"}))
        kept = erased.without(value)
        record = model.model_validate(kept)
        assert record.record_key == example["key"]
        assert erased.without(kept) == kept
        if person not in found:
            assert ("Asya" in found) == ("Asya" in json.dumps(kept))


def ticket_changed(author: str, requester: str, **message: Any) -> dict[str, Any]:
    return {
        "cause": {"kind": "command", "id": "c", "actor": {"kind": "customer", "id": author, "name": "Secret"}},
        "changes": {
            "text": {"old": "secret", "new": "secret 2"},
            "attachments": {"old": [{"id": "f", "name": "secret"}], "new": []},
            "status": {"old": "new", "new": "open"},
        },
        "ticket": {"id": "tkt", "subject": "secret", "requester": {"id": "con", "key": requester, "name": "Secret"}},
        "message": {
            "id": "m",
            "author_kind": "customer",
            "author_key": author,
            "author_name": "Secret",
            "text": "secret",
            "revisions": [{"text": "secret", "replaced_at": "t"}],
            **message,
        },
    }


def test_a_ticket_of_theirs_keeps_ids_states_and_what_others_said() -> None:
    kept = ERASURE.without(ticket_changed(PERSON, PERSON))
    assert "ecret" not in json.dumps(kept)
    assert kept["changes"] == {"status": {"old": "new", "new": "open"}}
    assert kept["message"]["text"] == kept["ticket"]["subject"] == ERASED

    by_another = ERASURE.without(ticket_changed("telegram:502", PERSON))
    assert by_another["message"]["text"] == "secret"
    assert by_another["changes"]["text"] == {"old": "secret", "new": "secret 2"}
    by_the_desk = ERASURE.without(ticket_changed("telegram:502", PERSON, author_kind="agent"))
    assert by_the_desk["message"]["text"] == ERASED


def test_a_change_of_a_message_is_known_by_the_messages_key() -> None:
    change = {"message_key": "slack:C1:1.1", "text": "secret", "attachments": [{"id": "f", "name": "secret"}]}
    assert ERASURE.without(change) == {"message_key": "slack:C1:1.1", "text": ERASED}
    assert ERASURE.without(change | {"message_key": "slack:C1:1.2"})["text"] == "secret"


def test_a_private_chat_has_its_persons_name() -> None:
    channel = {"key": "telegram:7700:501", "type": "dialog", "name": "secret"}
    assert "name" not in ERASURE.without(channel)
    assert ERASURE.without(channel | {"key": "telegram:7700:1501"})["name"] == "secret"


@pytest.mark.parametrize(
    ("body", "named"), [(b'{"id":501}', True), (b'"501"', True), (b'{"id":1501}', False), (b"5012", False)]
)
def test_a_raw_payload_names_a_person_by_their_own_id(body: bytes, *, named: bool) -> None:
    assert ERASURE.is_named_in(body) is named
