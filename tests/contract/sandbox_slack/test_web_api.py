"""What the methods do when they are let through."""

import pytest

from tests.contract.sandbox_slack.world import Json, World

TAG = {"event_type": "okno_reply", "event_payload": {"delivery_id": "d1"}}
BLOCKS = [{"type": "section", "text": {"type": "mrkdwn", "text": "block"}}]


async def texts(world: World, method: str, **arguments: object) -> list[str]:
    answer = await world.query(method, channel=world.channel, **arguments)
    assert answer["ok"], answer
    return [message["text"] for message in answer["messages"]]


async def test_auth_test_names_team_and_bot(world: World) -> None:
    answer = await world.sdk().auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0SANDBOX", "U0SANDBOT", "B0SANDBOT")
    assert answer["url"] == "https://okno-sandbox.slack.com/"


async def test_a_posted_message_as_answered_and_as_read(world: World) -> None:
    answer = await world.call("chat.postMessage", channel=world.channel, text="a & b <!here> <x>", metadata=TAG)
    message = answer["message"]
    assert answer["channel"] == world.channel
    assert answer["ts"] == message["ts"]
    assert (message["bot_id"], message["user"]) == ("B0SANDBOT", "U0SANDBOT")
    assert message["text"] == "a &amp; b <!here> &lt;x&gt;"
    (read,) = (await world.query("conversations.history", channel=world.channel))["messages"]
    assert read["metadata"] == {"event_type": "okno_reply"}
    full = await world.query("conversations.history", channel=world.channel, include_all_metadata="1")
    assert full["messages"][0]["metadata"] == TAG


@pytest.mark.parametrize("form", [False, True])
async def test_blocks_and_metadata_come_as_json_and_as_form(world: World, form: bool) -> None:
    if form:
        fields = {"channel": world.channel, "blocks": '[{"type":"divider"}]', "metadata": '{"event_type":"a",'}
        fields["metadata"] += '"event_payload":{}}'
        answer = await world.call("chat.postMessage", form=fields)
    else:
        metadata = {"event_type": "a", "event_payload": {}}
        answer = await world.call(
            "chat.postMessage", channel=world.channel, blocks=[{"type": "divider"}], metadata=metadata
        )
    assert answer["message"]["blocks"] == [{"type": "divider"}]
    assert answer["message"]["metadata"]["event_type"] == "a"


async def test_a_long_post_is_cut_where_so_switched(world: World) -> None:
    await world.control("PATCH", "/settings", truncate_posts=True)
    answer = await world.call("chat.postMessage", channel=world.channel, text="x" * 40_001)
    assert len(answer["message"]["text"]) == 40_000


@pytest.mark.parametrize("text", ["x" * 4000, "ж" * 2000])
async def test_four_thousand_bytes_fit(world: World, text: str) -> None:
    answer = await world.sdk().chat_postMessage(channel=world.channel, text=text)
    assert answer["message"]["text"] == text
    updated = await world.sdk().chat_update(channel=world.channel, ts=answer["ts"], text=text[::-1])
    assert updated["ok"]


async def test_posting_to_a_person_opens_the_dialog(world: World) -> None:
    answer = await world.sdk().chat_postMessage(channel=world.customer, text="hello")
    opened = await world.sdk().conversations_open(users=world.customer)
    assert answer["channel"] == opened["channel"]["id"]
    assert answer["channel"].startswith("D")
    assert opened["already_open"] is True


async def test_a_name_is_as_good_as_an_id_for_posting(world: World) -> None:
    answer = await world.call("chat.postMessage", channel="#support", text="x")
    assert answer["channel"] == world.channel


async def test_a_name_and_an_icon_of_one_s_own(world: World) -> None:
    answer = await world.call(
        "chat.postMessage", channel=world.channel, text="x", username="Maria", icon_emoji=":tada:"
    )
    assert (answer["message"]["username"], answer["message"]["icons"]) == ("Maria", {"emoji": ":tada:"})


async def test_an_update_without_blocks_removes_them_and_keeps_metadata(world: World) -> None:
    sdk = world.sdk()
    ts = (await sdk.chat_postMessage(channel=world.channel, text="a", blocks=BLOCKS, metadata=TAG))["ts"]
    updated = await sdk.chat_update(channel=world.channel, ts=ts, text="b")
    assert (updated["text"], updated["ts"]) == ("b", ts)
    assert "blocks" not in updated["message"]
    assert updated["message"]["metadata"] == TAG
    cleared = await world.call("chat.update", channel=world.channel, ts=ts, text="c", metadata={})
    assert "metadata" not in cleared["message"]


async def test_a_reply_changes_its_root(world: World) -> None:
    root = await world.say("question")
    first = await world.call("chat.postMessage", channel=world.channel, text="one", thread_ts=root)
    second = await world.say("two", thread_ts=root)
    assert first["message"]["thread_ts"] == root
    assert first["message"]["parent_user_id"] == world.customer
    (shown,) = (await world.query("conversations.history", channel=world.channel))["messages"]
    assert (shown["thread_ts"], shown["reply_count"], shown["latest_reply"]) == (root, 2, second)
    assert shown["reply_users"] == ["U0SANDBOT", world.customer]
    await world.call("chat.delete", channel=world.channel, ts=first["ts"])
    (shown,) = (await world.query("conversations.history", channel=world.channel))["messages"]
    assert (shown["reply_count"], shown["reply_users"]) == (1, [world.customer])


async def test_history_is_newest_first_without_replies_but_with_broadcasts(world: World) -> None:
    root = await world.say("root")
    await world.say("hidden", thread_ts=root)
    await world.say("shown", thread_ts=root, broadcast=True)
    assert await texts(world, "conversations.history") == ["shown", "root"]


async def test_replies_are_oldest_first_with_the_root_and_found_by_any_message(world: World) -> None:
    root = await world.say("root")
    reply = await world.say("one", thread_ts=root)
    await world.say("two", thread_ts=root)
    for ts in (root, reply):
        assert await texts(world, "conversations.replies", ts=ts) == ["root", "one", "two"]
    lonely = await world.say("lonely")
    assert await texts(world, "conversations.replies", ts=lonely) == ["lonely"]


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"oldest": 1}, ["3", "2"]),
        ({"oldest": 1, "inclusive": "1"}, ["3", "2", "1"]),
        ({"latest": 2}, ["1", "0"]),
        ({"latest": 2, "inclusive": "1"}, ["2", "1", "0"]),
        ({"oldest": 0, "latest": 3}, ["2", "1"]),
        ({"oldest": 3}, []),
    ],
)
async def test_bounds_are_exclusive_unless_inclusive(world: World, bounds: Json, expected: list[str]) -> None:
    stamps = [await world.say(str(number)) for number in range(4)]
    given = {name: stamps[value] if isinstance(value, int) else value for name, value in bounds.items()}
    assert await texts(world, "conversations.history", **given) == expected


async def test_history_pages_to_the_end(world: World) -> None:
    for number in range(5):
        await world.say(str(number))
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        page = await world.sdk().conversations_history(channel=world.channel, limit=2, cursor=cursor)
        seen += [message["text"] for message in page["messages"]]
        cursor = (page.get("response_metadata") or {}).get("next_cursor", "")
        assert page["has_more"] is bool(cursor)
    assert seen == ["4", "3", "2", "1", "0"]
    assert cursor == ""


async def test_replies_page_to_the_end_with_the_root_on_each(world: World) -> None:
    root = await world.say("root")
    for number in range(4):
        await world.say(str(number), thread_ts=root)
    pages: list[list[str]] = []
    cursor = ""
    while True:
        page = await world.sdk().conversations_replies(channel=world.channel, ts=root, limit=3, cursor=cursor)
        pages.append([message["text"] for message in page["messages"]])
        if not page["has_more"]:
            break
        cursor = page["response_metadata"]["next_cursor"]
    assert pages == [["root", "0", "1"], ["root", "2", "3"]]


@pytest.mark.parametrize(("marketplace", "length"), [(True, 20), (False, 15)])
async def test_apps_outside_the_marketplace_get_short_pages(world: World, marketplace: bool, length: int) -> None:
    await world.control("PATCH", "/settings", marketplace=marketplace)
    for number in range(20):
        await world.say(str(number))
    assert len(await texts(world, "conversations.history")) == length


async def test_a_tombstone_stays_in_history(world: World) -> None:
    root = await world.say("root")
    await world.say("reply", thread_ts=root)
    await world.control("DELETE", f"/messages/{world.channel}/{root}")
    (shown,) = (await world.query("conversations.history", channel=world.channel))["messages"]
    assert (shown["subtype"], shown["user"], shown["reply_count"]) == ("tombstone", "USLACKBOT", 1)
    assert await texts(world, "conversations.replies", ts=root) == ["This message was deleted.", "reply"]


async def test_permalinks(world: World) -> None:
    root = await world.say("root")
    reply = await world.say("reply", thread_ts=root)
    link = (await world.sdk().chat_getPermalink(channel=world.channel, message_ts=root))["permalink"]
    assert link == f"https://okno-sandbox.slack.com/archives/{world.channel}/p{root.replace('.', '')}"
    link = (await world.sdk().chat_getPermalink(channel=world.channel, message_ts=reply))["permalink"]
    assert link.endswith(f"?thread_ts={root}&cid={world.channel}")


async def test_channels_as_the_bot_may_know_them(world: World) -> None:
    await world.control("POST", "/channels", name="open", bot=False)
    await world.control("POST", "/channels", name="board", type="private", members=["anna"], bot=False)
    await world.control("POST", "/channels", name="desk", type="private", members=["anna"])
    await world.control("POST", "/dms", user="anna")
    await world.control("PATCH", "/channels/open", archived=True)
    sdk = world.sdk()
    everything = "public_channel,private_channel,im,mpim"
    listed = (await sdk.conversations_list(types=everything))["channels"]
    assert [channel.get("name") for channel in listed] == ["support", "open", "desk", None]
    listed = (await sdk.conversations_list(types=everything, exclude_archived=True))["channels"]
    assert [channel.get("name") for channel in listed] == ["support", "desk", None]
    assert listed[-1]["user"] == world.customer
    mine = (await sdk.users_conversations(types="private_channel"))["channels"]
    assert [channel["name"] for channel in mine] == ["desk"]
    page = await sdk.conversations_list(limit=1)
    following = await sdk.conversations_list(limit=1, cursor=page["response_metadata"]["next_cursor"])
    assert [entry["channels"][0]["name"] for entry in (page, following)] == ["support", "open"]
    info = (await sdk.conversations_info(channel=world.channel, include_num_members=True))["channel"]
    assert (info["name"], info["is_member"], info["is_private"], info["num_members"]) == ("support", True, False, 2)


async def test_the_bot_joins_and_leaves_a_public_channel(world: World) -> None:
    made = await world.control("POST", "/channels", name="open", members=["anna"], bot=False)
    channel = made["channel"]["id"]
    sdk = world.sdk()
    assert (await sdk.conversations_join(channel=channel))["channel"]["is_member"] is True
    assert (await sdk.conversations_join(channel=channel))["warning"] == "already_in_channel"
    assert (await sdk.conversations_members(channel=channel))["members"] == [world.customer, "U0SANDBOT"]
    await sdk.conversations_leave(channel=channel)
    assert (await sdk.conversations_members(channel=channel))["members"] == [world.customer]
    await world.idle()
    joined = world.app.events("member_joined_channel")
    assert [event["user"] for event in joined] == ["U0SANDBOT"]


async def test_users(world: World) -> None:
    sdk = world.sdk()
    user = (await sdk.users_info(user=world.customer, include_locale=True))["user"]
    assert (user["name"], user["profile"]["email"], user["locale"]) == ("anna", "anna@example.com", "en-US")
    found = (await sdk.users_lookupByEmail(email="Anna@example.com"))["user"]
    assert found["id"] == world.customer
    listed = (await sdk.users_list(limit=1))["members"]
    assert [entry["id"] for entry in listed] == ["U0SANDBOT"]
    assert listed[0]["is_bot"] is True
    bot = (await sdk.bots_info(bot="B0SANDBOT"))["bot"]
    assert (bot["user_id"], bot["app_id"]) == ("U0SANDBOT", "A0SANDBOX")


async def test_addresses_need_their_scope(world: World) -> None:
    await world.control("PATCH", "/app", scopes=["users:read"])
    assert "email" not in (await world.query("users.info", user=world.customer))["user"]["profile"]
    assert (await world.query("users.lookupByEmail", email="anna@example.com"))["error"] == "missing_scope"


async def test_reactions(world: World) -> None:
    ts = await world.say("thanks")
    sdk = world.sdk()
    await sdk.reactions_add(channel=world.channel, timestamp=ts, name="+1::skin-tone-2")
    got = (await sdk.reactions_get(channel=world.channel, timestamp=ts))["message"]
    assert got["reactions"] == [{"name": "+1::skin-tone-2", "users": ["U0SANDBOT"], "count": 1}]
    await sdk.reactions_remove(channel=world.channel, timestamp=ts, name="+1::skin-tone-2")
    assert "reactions" not in (await sdk.reactions_get(channel=world.channel, timestamp=ts))["message"]


async def test_an_upload_in_three_steps(world: World) -> None:
    root = await world.say("please send it")
    answer = await world.sdk().files_upload_v2(
        channel=world.channel, thread_ts=root, filename="a.txt", content="hello", initial_comment="here & now"
    )
    file_id = answer["files"][0]["id"]
    info = (await world.sdk().files_info(file=file_id))["file"]
    assert (info["name"], info["size"], list(info["shares"])) == ("a.txt", 5, ["public"])
    await world.idle()
    event = world.app.events()[-1]
    assert (event["subtype"], event["text"], event["thread_ts"]) == ("file_share", "here &amp; now", root)
    assert event["ts"] == info["shares"]["public"][world.channel][0]["ts"]


async def test_an_upload_of_another_length_is_refused(world: World) -> None:
    reserved = await world.query("files.getUploadURLExternal", filename="a.txt", length=5)
    async with world.session.post(reserved["upload_url"], data=b"hello!") as response:
        assert response.status == 400
    files = [{"id": reserved["file_id"], "title": "a"}]
    assert (await world.call("files.completeUploadExternal", files=files))["error"] == "file_not_found"
