"""Lists, changes, optimistic concurrency, idempotency and refusals."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.ticket_events_v1 import Status
from services.ticketing import tokens
from services.ticketing.domain.status import TRANSITIONS
from services.ticketing.tokens import Scope
from tests.integration.ticketing.desk import (
    Desk,
    later,
    place_message,
    problem,
    slack_place,
    telegram_author,
    telegram_place,
)


async def test_a_change_needs_the_revision_that_was_seen(desk: Desk) -> None:
    ticket = await desk.opened()
    path = f"/v1/tickets/{ticket['id']}"
    problem(await desk.http.patch(path, json={"priority": "high"}), 428, "precondition-required")
    changed = await desk.patch(ticket, priority="high", tags=["vip", "vip", " paid "])
    assert (changed.status_code, changed.headers["etag"]) == (200, '"1"')
    assert (changed.json()["priority"], changed.json()["tags"]) == ("high", ["vip", "paid"])
    stale = problem(await desk.patch(ticket, priority="low"), 412, "precondition-failed")
    assert stale["revision"] == 1
    bad = await desk.http.patch(path, json={}, headers={"If-Match": "yesterday"})
    problem(bad, 400, "bad-if-match")


async def test_a_customers_message_makes_no_agents_change_fail(desk: Desk) -> None:
    place = slack_place()
    ticket = await desk.opened(place)
    await desk.apply(place_message(place, "more", at=later(1)))
    assert (await desk.patch(ticket, status="open")).status_code == 200


async def test_of_two_agents_at_once_one_is_told(desk: Desk) -> None:
    ticket = await desk.opened()
    answers = await asyncio.gather(*(desk.patch(ticket, queue=f"queue {n}") for n in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert (await desk.ticket(ticket["id"]))["revision"] == 1


async def test_a_change_without_difference_is_none(desk: Desk) -> None:
    ticket = await desk.opened()
    answer = await desk.patch(ticket, priority="normal", queue="support", assignee=None, tags=[])
    assert (answer.status_code, answer.json()["version"]) == (200, 1)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tags": ["vip", "a\x1fb"]}, "body.tags.1"),
        ({"tags": ["a\tb"]}, "body.tags.0"),
        ({"queue": "night\nshift"}, "body.queue"),
        ({"queue": "night\x00shift"}, "body.queue"),
        ({"queue": " "}, "body.queue"),
    ],
)
async def test_names_with_control_characters_are_refused(desk: Desk, fields: dict[str, object], field: str) -> None:
    ticket = await desk.opened()
    refused = problem(await desk.patch(ticket, **fields), 422, "invalid")
    assert [one["field"] for one in refused["errors"]] == [field]
    assert (await desk.ticket(ticket["id"]))["version"] == 1


async def test_an_illegal_transition_lists_the_allowed_ones(desk: Desk) -> None:
    ticket = (await desk.patch(await desk.opened(), status="closed")).json()
    refused = problem(await desk.patch(ticket, status="pending"), 409, "illegal-transition")
    assert refused["allowed"] == [one.value for one in TRANSITIONS[Status.CLOSED]]
    problem(await desk.patch(ticket, status="comment_deleted"), 409, "illegal-transition")
    problem(await desk.patch(ticket, status="lost"), 422, "invalid")


async def test_an_old_ticket_is_not_reopened_beside_an_active_one(desk: Desk) -> None:
    place = telegram_place()
    ticket = (await desk.patch(await desk.opened(place), status="solved")).json()
    await desk.apply(place_message(place, "later", at=later(10), reopen_within=1))
    refused = problem(await desk.patch(ticket, status="open"), 409, "place-taken")
    assert refused["active_ticket"] == 2


async def test_assigning_counts_and_filtering_by_assignee(desk: Desk) -> None:
    ann = await desk.agent("Ann")
    tickets = [await desk.opened(telegram_place(chat)) for chat in range(3)]
    assigned = (await desk.patch(tickets[0], assignee=ann["id"], status="open")).json()
    assert (assigned["assignee"], assigned["assignee_name"]) == (ann["id"], "Ann")

    assert [one["number"] for one in await desk.tickets(assignee=ann["id"])] == [1]
    assert [one["number"] for one in await desk.tickets(assignee="none")] == [3, 2]
    counts = await desk.get("/tickets/counts")
    assert counts["assignee"] == {ann["id"]: 1, "none": 2}
    assert (counts["status"]["new"], counts["status"]["open"], counts["status"]["closed"]) == (2, 1, 0)
    assert (await desk.get("/tickets", counts=True, status="new"))["counts"]["assignee"] == {"none": 2}
    problem(await desk.patch(tickets[1], assignee="agt_nobody"), 422, "invalid")
    taken = await desk.patch(assigned, assignee=None)
    assert taken.json()["assignee"] is None
    changes = [one["changes"]["assignee"] for one in await desk.history(assigned["id"]) if "assignee" in one["changes"]]
    assert changes == [{"old": None, "new": ann["id"]}, {"old": ann["id"], "new": None}]  # named as in the ticket
    events = [one for one in await desk.said("ticket.events.v1") if one.ticket_id == assigned["id"]]
    assert [set(one.changes) for one in events[1:]] == [{"status", "assignee_id"}, {"assignee_id"}]


async def test_filters(desk: Desk) -> None:
    slack = await desk.opened(slack_place())
    await desk.clock.advance(60)
    await desk.apply(place_message(telegram_place(), author=telegram_author(9, "Ben")))
    (telegram,) = await desk.tickets(platform="telegram")
    await desk.patch(slack, queue="billing")

    assert [one["id"] for one in await desk.tickets(platform="slack")] == [slack["id"]]
    assert [one["id"] for one in await desk.tickets(queue="billing")] == [slack["id"]]
    assert [one["id"] for one in await desk.tickets(channel="telegram:7700:4711")] == [telegram["id"]]
    assert [one["id"] for one in await desk.tickets(requester="telegram:9")] == [telegram["id"]]
    assert [one["id"] for one in await desk.tickets(requester=telegram["requester"]["id"])] == [telegram["id"]]
    assert await desk.tickets(requester="telegram:10") == []
    assert len(await desk.tickets(status=["new", "open"])) == 2
    assert await desk.tickets(status="closed") == []
    assert await desk.tickets(updated_after=later(60).isoformat()) == []
    assert len(await desk.tickets(updated_after=later(59.9).isoformat(), sort="updated_at")) == 2


@pytest.mark.parametrize("sort", ["-number", "number"])
async def test_pages_show_each_ticket_once_while_tickets_change(desk: Desk, sort: str) -> None:
    places = [telegram_place(chat) for chat in range(25)]
    await desk.apply(*(place_message(place) for place in places))
    seen: list[int] = []
    cursor: dict[str, str] = {}
    for turn in range(9):
        page = await desk.get("/tickets", sort=sort, limit=3, **cursor)
        seen += [one["number"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        await desk.clock.advance(1)
        await desk.apply(*(place_message(place, at=later(turn + 1)) for place in places[::2]))
    assert seen == sorted(range(1, 26), reverse=sort == "-number")


async def test_whoever_follows_changes_misses_none(desk: Desk) -> None:
    places = [telegram_place(chat) for chat in range(10)]
    await desk.apply(*(place_message(place) for place in places))
    first = await desk.get("/tickets", sort="updated_at", limit=4)
    await desk.clock.advance(1)
    await desk.apply(place_message(places[0], at=later(1)), place_message(places[9], at=later(1)))
    rest = await desk.all("/tickets", sort="updated_at", limit=4)
    latest = {one["id"]: one["version"] for one in [*first["items"], *rest]}
    assert sorted(latest.values()) == [1] * 8 + [2] * 2


async def test_a_message_names_the_one_that_it_replies_to(desk: Desk) -> None:
    place = telegram_place()
    question = place_message(place, "Which one?")
    asked = question.message.message_key
    await desk.apply(question, place_message(place, "this one", at=later(1), reply_to=asked))

    (ticket,) = await desk.tickets()
    first, second = await desk.messages(ticket["id"])
    assert (first["reply_to"], second["reply_to"]) == (None, first["source"]["message_key"])


async def test_messages_and_history_come_in_pages(desk: Desk) -> None:
    place = slack_place()
    ticket = await desk.opened(place)
    await desk.apply(*(place_message(place, f"{n}", at=later(100 - n)) for n in range(1, 8)))
    path = f"/tickets/{ticket['id']}"

    texts = [one["text"] for one in await desk.all(f"{path}/messages", limit=3)]
    assert texts == ["Help!", "7", "6", "5", "4", "3", "2", "1"]
    assert [one["version"] for one in await desk.all(f"{path}/history", limit=3)] == list(range(1, 9))


async def test_a_cursor_of_another_list_is_refused(desk: Desk) -> None:
    for chat in range(3):
        await desk.opened(telegram_place(chat))
    cursor = (await desk.get("/tickets", limit=1))["next_cursor"]
    for query in ({"cursor": "garbage"}, {"cursor": cursor, "sort": "updated_at"}, {"cursor": "W10"}, {"cursor": "é"}):
        problem(await desk.http.get("/v1/tickets", params=query), 400, "bad-cursor")


async def test_the_same_key_has_one_effect_and_one_answer(desk: Desk) -> None:
    ticket = await desk.opened()
    path = f"/v1/tickets/{ticket['id']}/replies"

    async def post(text: str = "Hi") -> tuple[int, bytes, str | None]:
        response = await desk.http.post(path, json={"text": text}, headers={"Idempotency-Key": "k1"})
        return response.status_code, response.content, response.headers.get("idempotent-replayed")

    answers = await asyncio.gather(*(post() for _ in range(6)))
    assert {(status, body) for status, body, _ in answers} == {(201, answers[0][1])}
    assert sorted(replayed or "" for _, _, replayed in answers) == ["", *["true"] * 5]
    assert len(await desk.said("chat.replies.v1")) == 1
    other = await desk.http.post(path, json={"text": "Other"}, headers={"Idempotency-Key": "k1"})
    problem(other, 422, "idempotency-key-reused")


async def test_a_refused_request_leaves_its_key_free(desk: Desk) -> None:
    headers = {"Idempotency-Key": "k2"}
    body = {"name": "Ann", "identities": ["slack:U5"]}
    first = await desk.agent("Bob", "slack:U5")
    problem(await desk.http.post("/v1/agents", json=body, headers=headers), 409, "identity-taken")
    await desk.http.patch(f"/v1/agents/{first['id']}", json={"identities": []})
    assert (await desk.http.post("/v1/agents", json=body, headers=headers)).status_code == 201


async def test_unknown_fields_are_refused_by_name(desk: Desk) -> None:
    ticket = await desk.opened()
    refused = problem(await desk.patch(ticket, staus="open"), 422, "invalid")
    assert refused["errors"] == [{"field": "body.staus", "message": "there is no such field"}]
    refused = problem(await desk.http.get("/v1/tickets", params={"state": "new"}), 422, "invalid")
    assert "query.state" in refused["detail"]
    problem(await desk.http.get("/v1/policy", params={"x": "1"}), 422, "invalid")
    problem(await desk.http.get(f"/v1/tickets/{ticket['id']}", params={"x": "1"}), 422, "invalid")
    problem(await desk.patch(ticket, status=None), 422, "invalid")
    problem(await desk.http.post(f"/v1/tickets/{ticket['id']}/replies", json={"text": "  "}), 422, "invalid")
    problem(await desk.http.get("/v1/tickets", params={"limit": 0}), 422, "invalid")


async def test_what_is_not_there_is_not_found(desk: Desk) -> None:
    for path in (
        "/v1/tickets/tkt_x",
        "/v1/tickets/99",
        "/v1/tickets/99/messages",
        "/v1/agents/agt_x",
        "/v1/dead-letters/7",
    ):
        problem(await desk.http.get(path), 404, "not-found")
    problem(await desk.http.get("/v1/nothing"), 404, "not-found")
    problem(await desk.http.get("/v1/tickets/%00"), 400, "bad-value")
    problem(await desk.http.delete("/v1/tickets"), 405, "method-not-allowed")


async def test_bodies_that_can_not_be_read(desk: Desk) -> None:
    ticket = await desk.opened()
    path = f"/v1/tickets/{ticket['id']}/notes"
    headers = {"Content-Type": "application/json"}
    problem(await desk.http.post(path, content=b"{", headers=headers), 400, "malformed-json")
    problem(await desk.http.post(path, content=b" " * 2_000_000, headers=headers), 413, "body-too-large")

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    refused = await desk.http.post(path, content=pieces(), headers=headers)
    assert refused.status_code == 413


async def test_tokens_and_their_scopes(desk: Desk) -> None:
    ticket = await desk.opened()
    async with desk.database.transaction() as connection:
        reader = await tokens.create(connection, "reader", scope=Scope.READ)
        agent = await tokens.create(connection, "agent", scope=Scope.AGENT)
        with pytest.raises(tokens.UnknownAgent):
            async with connection.transaction():
                await tokens.create(connection, "x", scope=Scope.AGENT, agent_id="agt_nobody")
    stored = await desk.database.pool.fetchval("SELECT string_agg(t::text, ' ') FROM tokens t")
    assert reader.token not in stored

    desk.http.headers["Authorization"] = f"Bearer {reader.token}"
    assert (await desk.get("/me"))["scope"] == "read"
    assert (await desk.ticket(ticket["id"]))["number"] == 1
    problem(await desk.patch(ticket, priority="low"), 403, "forbidden")
    desk.http.headers["Authorization"] = f"Bearer {agent.token}"
    assert (await desk.patch(ticket, priority="low")).status_code == 200
    problem(await desk.http.post("/v1/agents", json={"name": "x"}), 403, "forbidden")
    problem(await desk.http.get("/v1/dead-letters"), 403, "forbidden")
    async with desk.database.transaction() as connection:
        assert await tokens.revoke(connection, agent.id)
        assert not await tokens.revoke(connection, agent.id)
    refused = await desk.http.get("/v1/me")
    problem(refused, 401, "unauthorized")
    assert refused.headers["www-authenticate"] == "Bearer"
    del desk.http.headers["Authorization"]
    problem(await desk.http.get("/v1/me"), 401, "unauthorized")


async def test_the_description_and_its_page_need_no_network(desk: Desk) -> None:
    described = (await desk.http.get("/openapi.json")).json()
    assert described["openapi"].startswith("3.1")
    page = (await desk.http.get("/docs")).text
    assert "https://cdn" not in page
    assert (await desk.http.get("/static-offline-docs/swagger-ui-bundle.js")).status_code == 200
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            assert operation["description"], (method, path)
    schemas = described["components"]["schemas"]
    text = str(described)
    assert all(f"'#/components/schemas/{name}'" in text for name in ("Policy", "TicketJson", "ProblemJson"))
    assert {"Policy", "TicketJson", "ProblemJson"} <= set(schemas)


async def test_a_busy_database_says_try_again(desk: Desk) -> None:
    ticket = await desk.opened()
    connections = [await desk.database.pool.acquire() for _ in range(8)]
    for connection in connections:
        await connection.execute("SET lock_timeout = '50ms'")
    for connection in connections[1:]:
        await desk.database.pool.release(connection)
    async with connections[0].transaction():
        await connections[0].execute("SELECT 1 FROM tickets FOR UPDATE")
        refused = await desk.patch(ticket, priority="low")
    await desk.database.pool.release(connections[0])
    problem(refused, 503, "unavailable")
    assert refused.headers["retry-after"] == "1"
    assert (await desk.patch(ticket, priority="low")).status_code == 200
