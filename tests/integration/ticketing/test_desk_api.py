"""Agents, policy, profiles, dead letters."""

from typing import Any

import pytest

from chassis.clock import ManualClock
from chassis.consumer import Record
from chassis.dead_letters import bury
from chassis.records import Culprit, Header
from contracts.chat import Author
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.desk_policy_v1 import PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity
from contracts.keys import slack_channel, slack_person
from contracts.topics import dead_topic
from services.ticketing.worker import DeadLetterProjection
from tests.integration.ticketing.desk import NOW, Desk, later, place_message, problem, slack_place

YAML = {"Content-Type": "application/yaml"}
JSON = {"Content-Type": "application/json"}


def identities(said: Any) -> list[tuple[str, str, bool, int]]:
    return [(one.identity, one.name, one.active, one.version) for one in said if isinstance(one, StaffIdentity)]


async def test_staff_is_published_identity_by_identity(desk: Desk) -> None:
    ann = await desk.agent("Ann", "slack:U5", "telegram:5", role="lead")
    await desk.http.patch(f"/v1/agents/{ann['id']}", json={"name": "Anna", "identities": ["telegram:5"]})
    bob = await desk.agent("Bob", "slack:U5")

    assert identities(await desk.said("desk.staff.v1")) == [
        ("slack:U5", "Ann", True, 1),
        ("telegram:5", "Ann", True, 1),
        ("slack:U5", "Anna", False, 2),
        ("telegram:5", "Anna", True, 2),
        ("slack:U5", "Bob", True, 3),
    ]
    listed = await desk.all("/agents")
    assert {(one["name"], one["role"], tuple(one["identities"])) for one in listed} == {
        ("Anna", "lead", ("telegram:5",)),
        ("Bob", "agent", ("slack:U5",)),
    }
    assert (await desk.get(f"/agents/{bob['id']}"))["name"] == "Bob"


async def test_an_identity_belongs_to_one_agent(desk: Desk) -> None:
    await desk.agent("Ann", "slack:U5")
    body = {"name": "Bob", "identities": ["slack:U5", "slack:U6"]}
    refused = problem(await desk.http.post("/v1/agents", json=body), 409, "identity-taken")
    assert refused["identities"] == ["slack:U5"]
    assert len(await desk.all("/agents")) == 1
    problem(await desk.http.post("/v1/agents", json={"name": "B", "identities": ["U5"]}), 422, "invalid")
    problem(await desk.http.post("/v1/agents", json={"name": "B", "role": "boss"}), 422, "invalid")


async def test_a_deactivated_agent_is_a_customer_until_activated_again(desk: Desk) -> None:
    ann = await desk.agent("Ann", "slack:U5")
    path = f"/v1/agents/{ann['id']}"
    off = (await desk.http.patch(path, json={"active": False})).json()
    assert (off["active"], off["identities"]) == (False, ["slack:U5"])
    await desk.http.patch(path, json={"active": True})
    assert [active for _, _, active, _ in identities(await desk.said("desk.staff.v1"))] == [True, False, True]


async def test_a_policy_is_versioned_and_published(desk: Desk) -> None:
    builtin = await desk.get("/policy")
    assert (builtin["version"], builtin["applied_at"]) == (0, None)
    applied = await desk.http.put("/v1/policy", content="defaults:\n  reopen_within: 2h\n", headers=YAML)
    assert applied.json()["version"] == 1
    again = await desk.http.put("/v1/policy", json={"defaults": {"reopen_within": "2h"}})
    assert again.json()["version"] == 1
    await desk.http.put("/v1/policy", json={"defaults": {"reopen_within": "3h"}})

    current = await desk.get("/policy")
    assert (current["version"], current["applied_by"]) == (2, "tests")
    assert current["document"]["defaults"]["reopen_within"] == "3h"
    published = await desk.said("desk.policy.v1")
    assert [one.version for one in published if isinstance(one, PolicyPublished)] == [1, 2]


@pytest.mark.parametrize(
    ("content", "headers", "status", "said"),
    [
        ("defaults: {open_onn: message}", YAML, 422, "defaults.open_onn: there is no such field"),
        ("defaults: {reopen_within: soon}", YAML, 422, "defaults.reopen_within"),
        ("answers: [{name: a, text: b}]", YAML, 422, "never fires"),
        ("- a", YAML, 422, "document"),
        (r'defaults: {tags: [vip, "a\x1fb"]}', YAML, 422, "defaults.tags.1: must not contain control characters"),
        (r'defaults: {queue: "night\nshift"}', YAML, 422, "defaults.queue: must not contain control characters"),
        (r'{"overrides": [{"match": {"name": "a\u0000"}}]}', JSON, 422, "overrides.0.match.name: must not contain"),
        (r'{"answers": [{"name": "a", "text": "b\u0000", "words": ["c"]}]}', JSON, 422, "answers.0.text: must not"),
        ("a: [", YAML, 400, "not YAML"),
        ("{", JSON, 400, "not JSON"),
        ("x", {"Content-Type": "text/plain"}, 415, "application/yaml"),
    ],
)
async def test_a_wrong_policy_is_not_applied(
    desk: Desk, content: str, headers: dict[str, str], status: int, said: str
) -> None:
    refused = await desk.http.put("/v1/policy", content=content, headers=headers)
    assert refused.status_code == status
    assert said in refused.json()["detail"]
    assert (await desk.get("/policy"))["version"] == 0


async def test_a_late_profile_names_earlier_messages(desk: Desk) -> None:
    nameless = Author(key=slack_person("U1"))
    await desk.apply(place_message(slack_place(), author=nameless))
    (ticket,) = await desk.tickets()
    assert ticket["requester"]["name"] is None

    def profile(name: str, seconds: float) -> PersonProfile:
        return PersonProfile(person_key=nameless.key, name=name, updated_at=later(seconds), email="mia@example.org")

    channel = ChannelProfile(channel_key=slack_channel("C1"), name="course-101", updated_at=NOW)
    await desk.apply(profile("Mia M.", 2), profile("Mia", 1), channel)
    await desk.apply(profile("older", 0))
    ticket = await desk.ticket(ticket["id"])
    assert (ticket["requester"]["name"], ticket["channel"]["name"]) == ("Mia M.", "course-101")
    (message,) = await desk.messages(ticket["id"])
    assert message["author"]["name"] == "Mia M."
    # A message's own name doesn't replace a profile's.
    await desk.apply(place_message(slack_place(thread="9.9"), at=later(5), author=Author(key=nameless.key, name="mia")))
    newest, _ = await desk.tickets()
    assert newest["requester"]["name"] == "Mia M."


def dead_record(value: bytes, headers: list[Header], offset: int = 7) -> Record:
    raw: Any = type("Raw", (), {})()
    raw.topic, raw.partition, raw.offset, raw.key, raw.value, raw.headers = (
        "ticket.commands.v1", 3, offset, b"slack:C1", value, headers,
    )  # fmt: skip
    row = bury(Culprit(raw, ValueError("x"), 3), consumer="ticketing", at=NOW)
    return Record(dead_topic(raw.topic), 3, 0, 0, row.key, row.value, row.headers, None)


async def project(desk: Desk, clock: ManualClock, *records: Record) -> None:
    async with desk.database.transaction() as connection:
        await DeadLetterProjection(clock)(list(records), connection)


async def test_a_dead_letter_is_listed_once_and_replayed_as_it_was(desk: Desk, clock: ManualClock) -> None:
    headers: list[Header] = [("ce_id", b"1"), ("odd", b"\xff"), ("none", None)]
    record = dead_record(b"\xff\x00broken", headers)
    await project(desk, clock, record, record)
    (letter,) = await desk.all("/dead-letters")
    assert (letter["state"], letter["topic"], letter["partition"], letter["offset"]) == (
        "waiting",
        "ticket.commands.v1",
        3,
        7,
    )
    assert (letter["consumer"], letter["cause"], letter["attempts"]) == ("ticketing", "ValueError", 3)
    detail = await desk.get(f"/dead-letters/{letter['id']}")
    assert (detail["value"], detail["value_base64"]) == (None, "/wBicm9rZW4=")

    path = f"/v1/dead-letters/{letter['id']}"
    replayed = (await desk.http.post(f"{path}/replay")).json()
    assert (replayed["state"], replayed["settled_by"]) == ("replayed", "tests")
    row = await desk.database.pool.fetchrow("SELECT * FROM outbox ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert (row["topic"], row["key"], row["payload"]) == ("ticket.commands.v1", b"slack:C1", b"\xff\x00broken")
    problem(await desk.http.post(f"{path}/replay"), 409, "already-settled")
    problem(await desk.http.post(f"{path}/discard", json={"reason": "no"}), 409, "already-settled")


async def test_a_dead_letter_is_discarded_with_a_reason(desk: Desk, clock: ManualClock) -> None:
    await project(desk, clock, dead_record(b"1", [], 1), dead_record(b"2", [], 2))
    newest, _ = await desk.all("/dead-letters", limit=1)
    path = f"/v1/dead-letters/{newest['id']}/discard"
    problem(await desk.http.post(path, json={}), 422, "invalid")
    assert (await desk.http.post(path, json={"reason": "a test"})).json()["reason"] == "a test"
    assert [one["offset"] for one in await desk.all("/dead-letters", state="waiting")] == [1]
    assert [one["offset"] for one in await desk.all("/dead-letters", state="discarded")] == [2]
