"""What the app is told, and in what form."""

from collections.abc import Awaitable, Callable

import pytest
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

from tests.contract.sandbox_slack.world import Json, World

TAG = {"event_type": "okno_reply", "event_payload": {"delivery_id": "d1"}}


async def test_a_post_reaches_the_app_in_a_signed_envelope(world: World) -> None:
    ts = await world.say("hi & <bye>")
    await world.idle()
    (received,) = world.app.received
    assert SignatureVerifier(world.simulation.identity.signing_secret).is_valid_request(received.body, received.headers)
    body = received.json
    event = body.pop("event")
    event_id = body.pop("event_id")
    assert event_id.startswith("Ev")
    assert body == {
        "token": "sandbox-verification-token",
        "team_id": "T0SANDBOX",
        "context_team_id": "T0SANDBOX",
        "context_enterprise_id": None,
        "api_app_id": "A0SANDBOX",
        "type": "event_callback",
        "event_time": int(float(ts)),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": "T0SANDBOX",
                "user_id": "U0SANDBOT",
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
        "event_context": f"4-{event_id}",
    }
    block = event.pop("blocks")[0]
    assert block["elements"][0]["elements"] == [{"type": "text", "text": "hi & <bye>"}]
    assert event.pop("client_msg_id")
    assert event == {
        "type": "message",
        "user": world.customer,
        "text": "hi &amp; &lt;bye&gt;",
        "ts": ts,
        "team": "T0SANDBOX",
        "channel": world.channel,
        "event_ts": ts,
        "channel_type": "channel",
    }


async def test_a_reply_names_its_thread_and_the_root_s_author(world: World) -> None:
    root = await world.say("question")
    ts = await world.say("more", thread_ts=root)
    await world.idle()
    event = world.app.events()[-1]
    assert (event["ts"], event["thread_ts"], event["parent_user_id"]) == (ts, root, world.customer)
    assert "subtype" not in event
    assert "reply_count" not in event


async def test_a_broadcast_reply_comes_with_its_root_and_is_followed_by_an_unchanged_change(world: World) -> None:
    root = await world.say("question")
    ts = await world.say("for all", thread_ts=root, broadcast=True)
    await world.idle()
    broadcast, changed = world.app.events()[1:]
    assert (broadcast["subtype"], broadcast["thread_ts"], broadcast["root"]["ts"]) == ("thread_broadcast", root, root)
    assert "team" not in broadcast
    assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
    assert (changed["message"]["ts"], changed["message"]["text"]) == (ts, "for all")
    assert "edited" not in changed["message"]


async def test_an_edit_shows_the_new_and_the_old_message(world: World) -> None:
    ts = await world.say("old")
    await world.control("PATCH", f"/messages/{world.channel}/{ts}", text="new <1>")
    await world.idle()
    event = world.app.events()[-1]
    assert (event["subtype"], event["hidden"], event["channel"]) == ("message_changed", True, world.channel)
    assert event["ts"] == event["event_ts"] > ts
    new, old = event["message"], event["previous_message"]
    assert (new["text"], new["ts"], old["text"]) == ("new &lt;1&gt;", ts, "old")
    assert new["edited"] == {"user": world.customer, "ts": event["ts"].split(".")[0] + ".000000"}
    assert (new["source_team"], new["user_team"]) == ("T0SANDBOX", "T0SANDBOX")
    assert "edited" not in old


async def test_a_deletion_shows_what_was_deleted(world: World) -> None:
    ts = await world.say("oops")
    await world.control("DELETE", f"/messages/{world.channel}/{ts}")
    await world.idle()
    event = world.app.events()[-1]
    assert (event["subtype"], event["hidden"], event["deleted_ts"]) == ("message_deleted", True, ts)
    assert event["previous_message"]["text"] == "oops"
    assert "message" not in event


async def test_a_deleted_root_with_replies_becomes_a_tombstone(world: World) -> None:
    root = await world.say("question")
    reply = await world.say("more", thread_ts=root)
    await world.control("DELETE", f"/messages/{world.channel}/{root}")
    await world.control("DELETE", f"/messages/{world.channel}/{reply}")
    await world.idle()
    buried, deleted, emptied = world.app.events()[2:]
    assert buried["subtype"] == "message_changed"
    tombstone = buried["message"]
    assert (tombstone["subtype"], tombstone["user"], tombstone["hidden"]) == ("tombstone", "USLACKBOT", True)
    assert (tombstone["text"], tombstone["ts"], tombstone["thread_ts"]) == ("This message was deleted.", root, root)
    assert buried["previous_message"]["text"] == "question"
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", reply)
    assert (emptied["subtype"], emptied["previous_message"]) == ("message_changed", [])


async def test_an_own_post_returns_as_an_echo_with_its_metadata(world: World) -> None:
    posted = await world.sdk().chat_postMessage(channel=world.channel, text="answer", metadata=TAG)
    await world.idle()
    (event,) = world.app.events()
    assert "subtype" not in event
    assert (event["user"], event["bot_id"], event["app_id"]) == ("U0SANDBOT", "B0SANDBOT", "A0SANDBOX")
    assert event["bot_profile"]["id"] == "B0SANDBOT"
    assert (event["ts"], event["metadata"]) == (posted["ts"], TAG)
    assert "client_msg_id" not in event


async def test_updating_and_deleting_an_own_post_are_told_too(world: World) -> None:
    sdk = world.sdk()
    ts = (await sdk.chat_postMessage(channel=world.channel, text="answer"))["ts"]
    await sdk.chat_update(channel=world.channel, ts=ts, text="better answer")
    await sdk.chat_delete(channel=world.channel, ts=ts)
    await world.idle()
    changed, deleted = world.app.events()[1:]
    assert (changed["subtype"], changed["message"]["text"], changed["message"]["bot_id"]) == (
        "message_changed",
        "better answer",
        "B0SANDBOT",
    )
    assert (deleted["subtype"], deleted["deleted_ts"]) == ("message_deleted", ts)


async def test_another_bot_s_post_and_a_classic_bot_s(world: World) -> None:
    await world.control("POST", "/users", name="other", bot=True)
    await world.say("modern", user="other")
    await world.say("classic", user="other", subtype="bot_message")
    await world.idle()
    modern, classic = world.app.events("message")
    assert modern["bot_id"] != "B0SANDBOT"
    assert "subtype" not in modern
    assert (classic["subtype"], classic["username"]) == ("bot_message", "other")
    assert "user" not in classic
    assert "app_id" not in classic


async def test_a_mention_comes_twice_with_different_event_ids(world: World) -> None:
    ts = await world.say("@okno help, @oknow", mentions=["okno"])
    await world.idle()
    message, mention = world.app.events()
    assert [message["type"], mention["type"]] == ["message", "app_mention"]
    assert mention["text"] == message["text"] == "<@U0SANDBOT> help, @oknow"
    assert (mention["ts"], mention["channel"]) == (ts, world.channel)
    assert "channel_type" not in mention
    ids = {received.json["event_id"] for received in world.app.received}
    assert len(ids) == 2


async def test_an_edit_can_refire_a_mention_with_the_old_ts(world: World) -> None:
    ts = await world.say("hello")
    await world.control("PATCH", f"/messages/{world.channel}/{ts}", text="hello @okno", mentions=["okno"])
    await world.idle()
    (mention,) = world.app.events("app_mention")
    assert mention["ts"] == ts
    assert mention["edited"]["user"] == world.customer


async def test_a_mention_in_a_dialog_is_only_a_message(world: World) -> None:
    dialog = (await world.control("POST", "/dms", user="anna"))["channel"]["id"]
    await world.say("@okno hello", channel=dialog, mentions=["okno"])
    await world.idle()
    (event,) = world.app.events()
    assert (event["type"], event["channel_type"], event["channel"][0]) == ("message", "im", "D")


@pytest.mark.parametrize(("kind", "channel_type"), [("public", "channel"), ("private", "group"), ("mpim", "mpim")])
async def test_each_kind_of_channel_has_its_type(world: World, kind: str, channel_type: str) -> None:
    await world.control("POST", "/users", name="ben")
    made = await world.control("POST", "/channels", type=kind, members=["anna", "ben"], name="place")
    await world.say("hi", channel=made["channel"]["id"])
    await world.idle()
    assert world.app.events()[-1]["channel_type"] == channel_type


async def test_where_the_bot_is_not_it_hears_nothing(world: World) -> None:
    await world.control("POST", "/channels", name="elsewhere", members=["anna"], bot=False)
    ts = await world.say("secret", channel="elsewhere")
    await world.control("POST", f"/messages/elsewhere/{ts}/reactions", user="anna", name="eyes")
    await world.idle()
    assert world.app.received == []


async def test_a_shared_file(world: World) -> None:
    ts = await world.say("see", files=[{"name": "a b.txt", "content": "abc"}])
    await world.idle()
    (event,) = world.app.events()
    assert (event["subtype"], event["ts"], event["upload"]) == ("file_share", ts, True)
    assert "team" not in event
    (file,) = event["files"]
    assert (file["name"], file["size"], file["mimetype"], file["mode"]) == ("a b.txt", 3, "text/plain", "hosted")
    token = {"Authorization": f"Bearer {world.simulation.identity.bot_token}"}
    async with world.session.get(file["url_private_download"], headers=token) as response:
        assert await response.read() == b"abc"
    async with world.session.get(file["url_private"]) as response:
        assert (response.status, response.content_type) == (200, "text/html")


async def test_an_unfurl_is_a_change_with_the_same_text(world: World) -> None:
    ts = await world.say("see https://example.com/?a=1&b=2, please")
    await world.control("POST", f"/messages/{world.channel}/{ts}/unfurl")
    await world.idle()
    posted, changed = world.app.events()
    assert posted["text"] == "see <https://example.com/?a=1&amp;b=2>, please"
    assert (changed["subtype"], changed["message"]["text"]) == ("message_changed", posted["text"])
    assert changed["message"]["attachments"]
    assert "edited" not in changed["message"]


async def test_reactions(world: World) -> None:
    ts = await world.say("thanks")
    path = f"/messages/{world.channel}/{ts}/reactions"
    await world.control("POST", path, user="anna", name="tada")
    await world.control("DELETE", path, user="anna", name="tada")
    await world.idle()
    added, removed = world.app.events()[1:]
    assert added.pop("event_ts") < removed.pop("event_ts")
    item = {"type": "message", "channel": world.channel, "ts": ts}
    shared = {"user": world.customer, "reaction": "tada", "item": item, "item_user": world.customer}
    assert added == {"type": "reaction_added", **shared}
    assert removed == {"type": "reaction_removed", **shared}


async def test_joining_and_leaving_are_an_event_and_a_message_each(world: World) -> None:
    ben = (await world.control("POST", "/users", name="ben"))["user"]["id"]
    await world.control("POST", "/channels/support/join", user="ben", inviter="anna")
    await world.control("POST", "/channels/support/leave", user="ben")
    await world.idle()
    heard = [event for event in world.app.events() if event["type"] != "team_join"]
    member, joined, left, gone = heard if heard[0]["type"] == "member_joined_channel" else heard[::-1]
    assert (member["type"], member["user"], member["channel_type"]) == ("member_joined_channel", ben, "C")
    assert (member["inviter"], member["team"]) == (world.customer, "T0SANDBOX")
    assert (joined["subtype"], joined["user"], joined["inviter"]) == ("channel_join", ben, world.customer)
    assert joined["text"] == f"<@{ben}> has joined the channel"
    assert (left["subtype"], left["text"]) == ("channel_leave", f"<@{ben}> has left the channel")
    assert (gone["type"], gone["user"]) == ("member_left_channel", ben)


async def rename_user(world: World) -> None:
    await world.control("PATCH", "/users/anna", name="anna2", real_name="Anna B")


async def rename_channel(world: World) -> None:
    await world.control("PATCH", "/channels/support", name="help")


async def archive_channel(world: World) -> None:
    await world.control("PATCH", "/channels/support", archived=True)


async def change_channel_id(world: World) -> None:
    await world.control("PATCH", "/channels/support", new_id=True)


def shows_user(event: Json, world: World) -> bool:
    user = event["user"]
    known = (user["id"], user["name"], user["real_name"]) == (world.customer, "anna2", "Anna B")
    return known and user["profile"]["email"] == "anna@example.com"


def shows_channel(event: Json, world: World) -> bool:
    channel = event["channel"]
    return bool(channel["id"] == world.channel and channel["name"] == channel["name_normalized"] == "help")


def shows_archive(event: Json, world: World) -> bool:
    return bool(event["channel"] == world.channel and event["is_moved"] == 0)


def shows_new_id(event: Json, world: World) -> bool:
    known = world.simulation.workspace.channels
    return bool(event["old_channel_id"] == world.channel and event["new_channel_id"] in known)


@pytest.mark.parametrize(
    ("change", "kind", "shows"),
    [
        (rename_user, "user_change", shows_user),
        (rename_channel, "channel_rename", shows_channel),
        (archive_channel, "channel_archive", shows_archive),
        (change_channel_id, "channel_id_changed", shows_new_id),
    ],
)
async def test_changes_of_users_and_channels(
    world: World, change: Callable[[World], Awaitable[None]], kind: str, shows: Callable[[Json, World], bool]
) -> None:
    await change(world)
    await world.idle()
    (event,) = world.app.events(kind)
    assert event["event_ts"]
    assert shows(event, world)


async def test_only_subscribed_types_are_sent(world: World) -> None:
    await world.control("PUT", "/events", types=["reaction_added"])
    ts = await world.say("hi")
    await world.control("POST", f"/messages/{world.channel}/{ts}/reactions", user="anna", name="eyes")
    await world.idle()
    assert [event["type"] for event in world.app.events()] == ["reaction_added"]


async def test_too_many_events_an_hour_are_answered_by_one_notice_a_minute(world: World) -> None:
    await world.control("PATCH", "/settings", events_per_hour=2)
    for text in ("1", "2", "3", "4"):
        await world.say(text)
    await world.idle()
    bodies = [received.json for received in world.app.received]
    texts = [body["event"]["text"] for body in bodies if "event" in body]
    (notice,) = [body for body in bodies if "event" not in body]
    assert texts == ["1", "2"]
    assert notice["minute_rate_limited"] % 60 == 0
    assert (notice["type"], notice["team_id"]) == ("app_rate_limited", "T0SANDBOX")


async def test_bolt_takes_the_requests_as_they_are(world: World) -> None:
    identity = world.simulation.identity
    bolt = AsyncApp(
        token=identity.bot_token,
        signing_secret=identity.signing_secret,
        client=world.sdk(),
        process_before_response=True,
    )
    heard: list[Json] = []

    @bolt.event("message")
    async def on_message(event: Json) -> None:
        heard.append(event)

    ts = await world.say("hello bolt")
    await world.control("PATCH", f"/messages/{world.channel}/{ts}", text="edited")
    await world.idle()
    for received in world.app.received:
        request = AsyncBoltRequest(body=received.body.decode(), headers={**received.headers})
        response = await bolt.async_dispatch(request)
        assert response.status == 200
    assert [event.get("subtype") for event in heard] == [None, "message_changed"]
    assert heard[0]["text"] == "hello bolt"
