"""What the platforms' refusals mean: every code of the lists that the platforms publish."""

from __future__ import annotations

import httpx
import pytest
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    InvalidToken,
    NetworkError,
    RetryAfter,
    TimedOut,
)

from services.notifier.outcomes import Doubtful, Later, Moved, Refused
from services.notifier.slack.errors import CODES, Meaning, explain, meaning_of
from services.notifier.telegram.errors import BAD_REQUESTS, BUSY, FORBIDDEN, refusal
from services.notifier.telegram.send import _narrowed

PERMANENT = [
    "channel_not_found",
    "not_in_channel",
    "is_archived",
    "msg_too_long",
    "no_text",
    "invalid_blocks",
    "restricted_action",
    "restricted_action_read_only_channel",
    "restricted_action_thread_only_channel",
    "restricted_action_non_threadable_channel",
    "cannot_reply_to_message",
    "thread_not_found",
    "message_not_found",
    "cant_update_message",
    "cant_delete_message",
    "edit_window_closed",
    "missing_scope",
    "user_not_found",
]
DEAD = ["invalid_auth", "account_inactive", "token_revoked", "token_expired"]
TRANSIENT = ["ratelimited", "rate_limited", "service_unavailable", "request_timeout", "team_added_to_org"]


@pytest.mark.parametrize(
    ("codes", "meaning"),
    [
        (PERMANENT, Meaning.REFUSED),
        (DEAD, Meaning.DEAD),
        (TRANSIENT, Meaning.LATER),
        (["internal_error", "fatal_error"], Meaning.DOUBTFUL),
        (["already_reacted", "no_reaction"], Meaning.DONE),
    ],
)
def test_slack_codes_mean_what_slack_says(codes: list[str], meaning: Meaning) -> None:
    assert {code: meaning_of(code) for code in codes} == dict.fromkeys(codes, meaning)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_slack_code_is_told_in_words(code: str) -> None:
    error = explain(code)
    assert error.code == code
    assert error.text.endswith(".")
    assert code not in error.text


def test_a_code_that_nobody_knows_is_a_refusal_that_names_it() -> None:
    assert meaning_of("brand_new") is Meaning.REFUSED
    assert "brand_new" in explain("brand_new").text


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("Bad Request: chat not found", "chat_not_found"),
        ("Bad Request: message thread not found", "topic_not_found"),
        ("Bad Request: message to be replied not found", "reply_target_not_found"),
        ("Bad Request: message to edit not found", "message_not_found"),
        ("Bad Request: message to delete not found", "message_not_found"),
        ("Bad Request: message is not modified: specified new message content is the same", "not_modified"),
        ("Bad Request: can't parse entities: unsupported start tag", "format_refused"),
        ("Bad Request: message text is empty", "no_text"),
        ("Bad Request: text must be non-empty", "no_text"),
        ("Bad Request: message is too long", "text_too_long"),
        ("Bad Request: TOPIC_CLOSED", "topic_closed"),
        ("Bad Request: query is too old and response timeout expired", "query_expired"),
        ("Bad Request: file is too big", "file_too_big"),
        ("Bad Request: something new", "bad_request"),
    ],
)
def test_telegram_bad_requests_end_the_delivery(description: str, code: str) -> None:
    outcome = _narrowed(BadRequest(description), "7700:x")
    assert isinstance(outcome, Refused)
    assert outcome.error.code == code


@pytest.mark.parametrize(
    ("description", "code"),
    [
        ("Forbidden: bot was blocked by the user", "blocked"),
        ("Forbidden: user is deactivated", "user_deactivated"),
        ("Forbidden: bot was kicked from the group chat", "kicked"),
        ("Forbidden: bot was kicked from the supergroup chat", "kicked"),
        ("Forbidden: bot is not a member of the channel chat", "not_a_member"),
        ("Forbidden: bot can't initiate conversation with a user", "not_started"),
        ("Forbidden: else", "forbidden"),
    ],
)
def test_telegram_forbidden_ends_the_delivery(description: str, code: str) -> None:
    outcome = _narrowed(Forbidden(description), "7700:x")
    assert isinstance(outcome, Refused)
    assert outcome.error.code == code


def test_other_answers_of_telegram() -> None:
    assert _narrowed(RetryAfter(7), "7700:x") == Later(BUSY, 7.0)
    assert _narrowed(ChatMigrated(-1005), "7700:x") == Moved("telegram:7700:-1005")  # type: ignore[arg-type]
    assert isinstance(_narrowed(InvalidToken("Unauthorized"), "7700:x"), Refused)
    assert isinstance(_narrowed(Conflict("x"), "7700:x"), Later)
    assert isinstance(_narrowed(NetworkError("Too Many Requests (429)"), "7700:x"), Later)


@pytest.mark.parametrize("cause", [httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.PoolTimeout("x")])
@pytest.mark.parametrize("kind", [NetworkError, TimedOut])
def test_what_never_left_is_tried_again(kind: type[NetworkError], cause: Exception) -> None:
    error = kind("x")
    error.__cause__ = cause
    assert isinstance(_narrowed(error, "7700:x"), Later)


@pytest.mark.parametrize(
    "cause",
    [httpx.ReadTimeout("x"), httpx.WriteTimeout("x"), httpx.ReadError("x"), httpx.RemoteProtocolError("x"), None],
)
@pytest.mark.parametrize("kind", [NetworkError, TimedOut])
def test_what_may_have_arrived_is_a_doubt(kind: type[NetworkError], cause: Exception | None) -> None:
    error = kind("Bad Gateway")
    error.__cause__ = cause
    outcome = _narrowed(error, "7700:x")
    assert isinstance(outcome, Doubtful)
    assert outcome.answered is (cause is None)


@pytest.mark.parametrize("row", [*BAD_REQUESTS, *FORBIDDEN], ids=lambda row: row[0])
def test_every_telegram_refusal_is_told_in_words(row: tuple[str, str, str]) -> None:
    part, code, text = row
    assert part == part.lower()
    assert text.endswith(".")
    found = refusal(part.upper(), forbidden=row in FORBIDDEN)
    assert found.code == code
