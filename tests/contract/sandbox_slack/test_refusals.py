"""Every refusal, by raw HTTP and through the SDK: HTTP 200, `ok` false, the error's code."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from tests.contract.sandbox_slack.world import Json, World

LONG = "x" * 4001
CYRILLIC = "ж" * 2001
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
MARKDOWN = {"type": "markdown", "text": "x" * 12_001}
DIVIDER = {"type": "divider"}
TAG = {"event_type": "okno_reply", "event_payload": {"delivery_id": "d1"}}

REFUSALS: list[tuple[str, Json, str]] = [
    ("chat.postMessage", {"channel": "C0NOWHERE", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "{private}", "text": "x"}, "channel_not_found"),
    ("chat.postMessage", {"channel": "{outside}", "text": "x"}, "not_in_channel"),
    ("chat.postMessage", {"channel": "{archived}", "text": "x"}, "is_archived"),
    ("chat.postMessage", {"channel": "{channel}", "text": ""}, "no_text"),
    ("chat.postMessage", {"channel": "{channel}", "text": LONG}, "msg_too_long"),
    ("chat.postMessage", {"channel": "{channel}", "text": CYRILLIC}, "msg_too_long"),
    ("chat.postMessage", {"channel": "{channel}", "markdown_text": "x" * 12_001}, "msg_too_long"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "markdown_text": "x"}, "markdown_text_conflict"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "blocks": [DIVIDER] * 51}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "blocks": [SECTION]}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "blocks": [MARKDOWN]}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "blocks": "not json"}, "invalid_blocks_format"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "metadata": "["}, "invalid_metadata_format"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "metadata": {"a": 1}}, "invalid_metadata_schema"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "thread_ts": "1.000001"}, "thread_not_found"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "thread_ts": "{reply}"}, "thread_not_found"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "thread_ts": "{join}"}, "cannot_reply_to_message"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "thread_ts": "yesterday"}, "invalid_arguments"),
    ("chat.postMessage", {"channel": "{channel}", "text": "x", "unfurl_links": "maybe"}, "invalid_arguments"),
    ("chat.update", {"channel": "C0NOWHERE", "ts": "{own}", "text": "x"}, "channel_not_found"),
    ("chat.update", {"channel": "{channel}", "ts": "1.000001", "text": "x"}, "message_not_found"),
    ("chat.update", {"channel": "{channel}", "ts": "{ts}", "text": "x"}, "cant_update_message"),
    ("chat.update", {"channel": "{channel}", "ts": "{own}", "text": LONG}, "msg_too_long"),
    ("chat.update", {"channel": "{channel}", "ts": "{own}", "text": CYRILLIC}, "msg_too_long"),
    ("chat.update", {"channel": "{channel}", "ts": "{own}", "text": ""}, "no_text"),
    ("chat.update", {"channel": "{archived}", "ts": "{own}", "text": "x"}, "is_archived"),
    ("chat.delete", {"channel": "{channel}", "ts": "1.000001"}, "message_not_found"),
    ("chat.delete", {"channel": "{channel}", "ts": "{tombstone}"}, "message_not_found"),
    ("chat.delete", {"channel": "{channel}", "ts": "{ts}"}, "cant_delete_message"),
    ("chat.delete", {"channel": "{private}", "ts": "{ts}"}, "channel_not_found"),
    ("chat.getPermalink", {"channel": "{channel}", "message_ts": "1.000001"}, "message_not_found"),
    ("chat.getPermalink", {"channel": "{private}", "message_ts": "1.000001"}, "channel_not_found"),
    ("conversations.history", {"channel": "{private}"}, "channel_not_found"),
    ("conversations.history", {"channel": "{outside}"}, "not_in_channel"),
    ("conversations.history", {"channel": "{channel}", "oldest": "yesterday"}, "invalid_ts_oldest"),
    ("conversations.history", {"channel": "{channel}", "latest": "tomorrow"}, "invalid_ts_latest"),
    ("conversations.history", {"channel": "{channel}", "cursor": "???"}, "invalid_cursor"),
    ("conversations.history", {"channel": "{channel}", "limit": 1000}, "invalid_limit"),
    ("conversations.history", {"channel": "{channel}", "limit": 0}, "invalid_limit"),
    ("conversations.history", {"channel": "{channel}", "limit": "many"}, "invalid_arguments"),
    ("conversations.replies", {"channel": "{channel}", "ts": "1.000001"}, "thread_not_found"),
    ("conversations.replies", {"channel": "{private}", "ts": "1.000001"}, "channel_not_found"),
    ("conversations.info", {"channel": "{private}"}, "channel_not_found"),
    ("conversations.members", {"channel": "{private}"}, "channel_not_found"),
    ("conversations.list", {"types": "secret_channel"}, "invalid_types"),
    ("conversations.join", {"channel": "{im}"}, "method_not_supported_for_channel_type"),
    ("conversations.join", {"channel": "{archived}"}, "is_archived"),
    ("conversations.join", {"channel": "{private}"}, "channel_not_found"),
    ("conversations.open", {"users": "U0NOBODY"}, "user_not_found"),
    ("conversations.open", {"users": ""}, "users_list_not_supplied"),
    ("conversations.open", {"users": "{bot}"}, "cannot_dm_bot"),
    ("conversations.open", {"users": ",".join(f"U{n}" for n in range(9))}, "too_many_users"),
    ("conversations.open", {"users": "{gone}"}, "user_disabled"),
    ("users.info", {"user": "U0NOBODY"}, "user_not_found"),
    ("users.lookupByEmail", {"email": "nobody@example.com"}, "users_not_found"),
    ("users.list", {"limit": 5000}, "invalid_limit"),
    ("reactions.add", {"channel": "{channel}", "timestamp": "{ts}", "name": "eyes"}, "already_reacted"),
    ("reactions.add", {"channel": "{channel}", "timestamp": "1.000001", "name": "eyes"}, "message_not_found"),
    ("reactions.add", {"channel": "{channel}", "timestamp": "{ts}", "name": "No Name"}, "invalid_name"),
    ("reactions.remove", {"channel": "{channel}", "timestamp": "{ts}", "name": "tada"}, "no_reaction"),
    ("reactions.remove", {"channel": "{channel}", "timestamp": "1.000001", "name": "tada"}, "message_not_found"),
    ("reactions.get", {"channel": "{channel}", "timestamp": "1.000001"}, "message_not_found"),
    ("bots.info", {"bot": "B0NOBODY"}, "bot_not_found"),
    ("files.info", {"file": "F0NOTHING"}, "file_not_found"),
    ("files.completeUploadExternal", {"files": [{"id": "F0NOTHING", "title": "x"}]}, "file_not_found"),
]
QUERIED = ("conversations.history", "conversations.replies", "conversations.info", "conversations.members")
READING = (*QUERIED, "conversations.list", "users.info", "users.list", "users.lookupByEmail", "chat.getPermalink")


@pytest.fixture
async def places(world: World) -> dict[str, str]:
    """One of each thing that a call may name wrongly."""
    world.simulation.settings.rate_limits = False

    async def channel(**body: Any) -> str:
        found: str = (await world.control("POST", "/channels", **body))["channel"]["id"]
        return found

    made = {
        "channel": world.channel,
        "outside": await channel(name="outside", bot=False),
        "private": await channel(name="board", type="private", members=["anna"], bot=False),
        "archived": await channel(name="old", members=["anna"]),
        "im": (await world.control("POST", "/dms", user="anna"))["channel"]["id"],
        "bot": world.simulation.identity.bot_user_id,
        "gone": (await world.control("POST", "/users", name="gone"))["user"]["id"],
        "ts": await world.say("hello"),
    }
    await world.control("PATCH", "/channels/old", archived=True)
    await world.control("PATCH", "/users/gone", deleted=True)
    await world.control("POST", "/users", name="late")
    await world.control("POST", "/channels/support/join", user="late")
    channel_id = world.channel
    listed = await world.control("GET", f"/channels/{channel_id}/messages")
    made["join"] = listed["messages"][-1]["ts"]
    made["reply"] = await world.say("more", thread_ts=made["ts"])
    posted = await world.call("chat.postMessage", channel=channel_id, text="ours")
    made["own"] = posted["ts"]
    buried = await world.call("chat.postMessage", channel=channel_id, text="with replies")
    await world.say("reply", thread_ts=buried["ts"])
    await world.call("chat.delete", channel=channel_id, ts=buried["ts"])
    made["tombstone"] = buried["ts"]
    await world.call("reactions.add", channel=channel_id, timestamp=made["ts"], name="eyes")
    return made


def filled(arguments: Json, places: dict[str, str]) -> Json:
    return {
        name: value.format_map(places) if isinstance(value, str) and value.startswith("{") else value
        for name, value in arguments.items()
    }


@pytest.mark.parametrize(("method", "arguments", "error"), REFUSALS)
async def test_refused_by_raw_http(
    world: World, places: dict[str, str], method: str, arguments: Json, error: str
) -> None:
    given = filled(arguments, places)
    if method in READING:
        answer = await world.query(method, **given)
    elif method in ("bots.info", "files.info", "reactions.get"):
        answer = await world.call(method, form=given)
    else:
        answer = await world.call(method, **given)
    assert (answer["ok"], answer["error"]) == (False, error)


@pytest.mark.filterwarnings("ignore:The top-level `text` argument")
@pytest.mark.parametrize(("method", "arguments", "error"), REFUSALS)
async def test_refused_through_the_sdk(
    world: World, places: dict[str, str], method: str, arguments: Json, error: str
) -> None:
    call = getattr(world.sdk(), method.replace(".", "_"))
    with pytest.raises(SlackApiError) as refused:
        await call(**filled(arguments, places))
    assert refused.value.response.status_code == 200
    assert refused.value.response["error"] == error


TOKENS = [
    (None, "not_authed"),
    ("xoxb-someone-else", "invalid_auth"),
    ("xapp-sandbox-app-token", "not_allowed_token_type"),
]


@pytest.mark.parametrize(("token", "error"), TOKENS)
async def test_a_wrong_token_by_raw_http(world: World, token: str | None, error: str) -> None:
    answer = await world.call("auth.test", token=token)
    assert (answer["ok"], answer["error"]) == (False, error)


@pytest.mark.parametrize(("token", "error"), TOKENS[1:])
async def test_a_wrong_token_through_the_sdk(world: World, token: str, error: str) -> None:
    with pytest.raises(SlackApiError) as refused:
        await world.sdk(token).auth_test()
    assert refused.value.response["error"] == error


@pytest.mark.parametrize("error", ["account_inactive", "token_revoked", "token_expired", "invalid_auth"])
async def test_a_dead_installation_by_raw_http_and_through_the_sdk(world: World, error: str) -> None:
    await world.control("PATCH", "/app", token_error=error)
    assert (await world.call("chat.postMessage", channel=world.channel, text="x"))["error"] == error
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().chat_postMessage(channel=world.channel, text="x")
    assert refused.value.response["error"] == error


async def test_a_missing_scope_says_what_is_needed(world: World) -> None:
    await world.control("PATCH", "/app", scopes=["channels:read"])
    raw = await world.call("chat.postMessage", channel=world.channel, text="x")
    assert raw == {"ok": False, "error": "missing_scope", "needed": "chat:write", "provided": "channels:read"}
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().reactions_add(channel=world.channel, timestamp="1.1", name="eyes")
    assert refused.value.response["needed"] == "reactions:write"


@pytest.mark.parametrize(
    ("method", "missing"),
    [
        ("chat.postMessage", "channel"),
        ("chat.update", "ts"),
        ("chat.delete", "ts"),
        ("conversations.history", "channel"),
        ("conversations.replies", "ts"),
        ("reactions.add", "name"),
        ("users.info", "user"),
    ],
)
async def test_a_missing_argument_is_named(world: World, method: str, missing: str) -> None:
    raw = await world.call(method, form={})
    assert raw["error"] == "invalid_arguments"
    assert f"[ERROR] missing required field: {missing}" in raw["response_metadata"]["messages"]
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().api_call(method, params={})
    assert f"[ERROR] missing required field: {missing}" in refused.value.response["response_metadata"]["messages"]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_json"),
        ({"data": b"[]", "headers": {"Content-Type": "application/json"}}, "json_not_object"),
        ({"data": b"x", "headers": {"Content-Type": "text/csv"}}, "invalid_post_type"),
        ({"data": b"{}", "headers": {"Content-Type": "application/json; charset=koi8-r"}}, "invalid_charset"),
        ({"data": {"bad name": "x"}}, "invalid_arg_name"),
    ],
)
async def test_a_request_in_a_wrong_form(world: World, sent: Json, error: str) -> None:
    token = world.simulation.identity.bot_token
    headers = {"Authorization": f"Bearer {token}", **sent.pop("headers", {})}
    async with world.session.post(f"{world.api_url}chat.postMessage", headers=headers, **sent) as response:
        assert response.status == 200
        assert (await response.json())["error"] == error


async def test_a_json_token_is_not_taken_but_a_form_token_is(world: World) -> None:
    token = world.simulation.identity.bot_token
    async with world.session.post(f"{world.api_url}auth.test", json={"token": token}) as response:
        assert (await response.json())["error"] == "not_authed"
    async with world.session.post(f"{world.api_url}auth.test", data={"token": token}) as response:
        assert (await response.json())["ok"] is True


async def test_a_reading_method_sees_no_json_body(world: World) -> None:
    raw = await world.call("conversations.history", channel=world.channel)
    assert raw["error"] == "invalid_arguments"


@pytest.mark.parametrize(("method", "known_to_slack"), [("chat.postMassage", False), ("chat.meMessage", True)])
async def test_an_unknown_method(world: World, method: str, known_to_slack: bool) -> None:
    raw = await world.call(method)
    assert (raw["ok"], raw["error"], raw["req_method"]) == (False, "unknown_method", method)
    assert ("response_metadata" in raw) is known_to_slack
    with pytest.raises(SlackApiError) as refused:
        await world.sdk().api_call(method)
    assert refused.value.response["error"] == "unknown_method"
