"""Agents, policy, profiles."""

import asyncio
from typing import Any

import pytest

from contracts.chat import Author
from contracts.chat_profiles_v1 import ChannelProfile, PersonProfile
from contracts.desk_policy_v1 import PolicyPublished
from contracts.desk_staff_v1 import StaffIdentity, StaffRole
from contracts.keys import slack_channel, slack_person
from services.ticketing.store.agents import save_agent
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


async def test_a_change_of_an_agent_that_waits_for_another_one_keeps_its_identities(desk: Desk) -> None:
    ann = await desk.agent("Ann", "slack:U5")
    path = f"/v1/agents/{ann['id']}"
    async with desk.database.transaction() as connection:
        given = [slack_person("U5"), slack_person("U6")]
        await save_agent(connection, ann["id"], "Ann", StaffRole.AGENT, given, NOW, active=True)
        renaming = asyncio.create_task(desk.http.patch(path, json={"name": "Anna"}))
        await desk.waits(renaming)
        assert not renaming.done()
    assert (await renaming).json()["identities"] == ["slack:U5", "slack:U6"]


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
        ("defaults: {reopen_within: 9999999999d}", YAML, 422, "defaults.reopen_within: is too long for a duration"),
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
