"""The control API: what people do, as a page or a test driver asks for it."""

import pytest

from tests.contract.sandbox_slack.world import Json, World

POST = {"channel": "support", "user": "anna", "text": "x"}


async def listed(world: World, query: str = "") -> list[Json]:
    found: list[Json] = (await world.control("GET", f"/channels/support/messages{query}"))["messages"]
    return found


async def test_a_message_as_people_see_it(world: World) -> None:
    await world.control("POST", "/users", name="maria", staff=True)
    ts = await world.say("ask @maria <b>, see https://x.io & @nobody", mentions=["maria"])
    (message,) = await listed(world)
    maria = world.simulation.workspace.user("maria").id
    assert message["text"] == f"ask <@{maria}> &lt;b&gt;, see <https://x.io> &amp; @nobody"
    assert message["plain"] == "ask @maria <b>, see https://x.io & @nobody"
    assert (message["ts"], message["user_name"], message["is_bot"]) == (ts, "anna", False)
    assert message["notifies"] == [maria]


async def test_typed_markup_stays_text_unless_raw(world: World) -> None:
    await world.say("<!channel> <@U0SANDBOT>")
    await world.say("<!channel> <@U0SANDBOT>", raw=True)
    await world.idle()
    typed, raw = await listed(world)
    assert (typed["text"], typed["notifies"]) == ("&lt;!channel&gt; &lt;@U0SANDBOT&gt;", [])
    assert (raw["text"], raw["notifies"]) == ("<!channel> <@U0SANDBOT>", ["!channel", "U0SANDBOT"])
    assert len(world.app.events("app_mention")) == 1


async def test_an_answer_that_rings_everyone_is_seen_to(world: World) -> None:
    await world.call("chat.postMessage", channel=world.channel, text="hello <!here|here>")
    assert (await listed(world))[0]["notifies"] == ["!here"]


async def test_threads_and_pages_of_messages(world: World) -> None:
    root = await world.say("root")
    await world.say("one", thread_ts=root)
    await world.say("apart")
    (thread,) = (await world.control("GET", "/channels/support/threads"))["threads"]
    assert (thread["root"]["plain"], [reply["plain"] for reply in thread["replies"]]) == ("root", ["one"])
    assert [message["plain"] for message in await listed(world, f"?thread_ts={root}")] == ["root", "one"]
    assert [message["plain"] for message in await listed(world, f"?after={root}&limit=1")] == ["one"]
    assert [message["plain"] for message in await listed(world, "?limit=1")] == ["apart"]


@pytest.mark.parametrize("at", ["2008-05-01T12:00:00", "2008-05-01T12:00:00+00:00", 1209643200, "1209643200"])
async def test_history_can_be_replayed_at_its_own_time(world: World, at: str | float) -> None:
    stamps = [await world.say(str(number), at=at) for number in range(3)]
    assert stamps == ["1209643200.000000", "1209643200.000001", "1209643200.000002"]
    await world.idle()
    assert [received.json["event_time"] for received in world.app.received] == [1209643200] * 3


async def test_joins_and_leaves_take_part_in_a_replay(world: World) -> None:
    await world.control("POST", "/users", name="ben")
    await world.control("POST", "/channels/support/join", user="ben", at=1209643200)
    await world.control("POST", "/channels/support/leave", user="ben", at=1209643260)
    stamps = [(message["subtype"], message["ts"]) for message in await listed(world)]
    assert stamps == [("channel_join", "1209643200.000000"), ("channel_leave", "1209643260.000000")]


async def test_a_passer_by_is_in_a_public_channel_from_the_first_post_but_in_no_private_one(world: World) -> None:
    await world.control("POST", "/users", name="ben")
    await world.control("POST", "/channels", name="board", type="private", members=["anna"])
    await world.say("hi", user="ben")
    assert len(world.simulation.workspace.channel("support").members) == 3
    refused = await world.control("POST", "/messages", status=400, channel="board", user="ben", text="hi")
    assert refused["error"] == "not_in_channel"


async def test_dialogs(world: World) -> None:
    first = (await world.control("POST", "/dms", user="anna"))["channel"]
    again = (await world.control("POST", "/dms", user="anna"))["channel"]
    await world.control("POST", "/users", name="ben")
    group = (await world.control("POST", "/dms", users=["anna", "ben"]))["channel"]
    private = (await world.control("POST", "/dms", users=["anna", "ben"], bot=False))["channel"]
    assert first["id"] == again["id"]
    assert (first["type"], group["type"], private["type"]) == ("im", "mpim", "im")
    assert (group["bot_is_member"], private["bot_is_member"]) == (True, False)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "error"),
    [
        ("POST", "/users", {}, 400, "missing_field"),
        ("POST", "/users", {"name": 5}, 400, "invalid_field"),
        ("POST", "/users", {"name": "x", "colour": "red"}, 400, "invalid_field"),
        ("POST", "/users", {"name": "anna"}, 400, "name_taken"),
        ("PATCH", "/users/nobody", {"name": "x"}, 404, "user_not_found"),
        ("POST", "/channels", {"name": "support"}, 400, "name_taken"),
        ("POST", "/channels", {"type": "public"}, 400, "missing_field"),
        ("POST", "/channels", {"name": "x", "type": "secret"}, 400, "invalid_field"),
        ("POST", "/messages", {"channel": "nowhere", "user": "anna", "text": "x"}, 404, "channel_not_found"),
        ("POST", "/messages", {"channel": "support", "user": "nobody", "text": "x"}, 404, "user_not_found"),
        ("POST", "/messages", {"channel": "support", "user": "anna"}, 400, "no_text"),
        ("POST", "/messages", POST | {"at": "noon"}, 400, "invalid_field"),
        (
            "POST",
            "/messages",
            {"channel": "support", "user": "anna", "text": "x", "thread_ts": "1.1"},
            400,
            "thread_not_found",
        ),
        ("PATCH", "/messages/support/1.1", {"text": "x"}, 404, "message_not_found"),
        ("DELETE", "/messages/support/1.1", {}, 404, "message_not_found"),
        ("POST", "/deliveries/Ev0/redeliver", {}, 404, "event_not_found"),
        ("DELETE", "/faults/7", {}, 404, "fault_not_found"),
        ("PATCH", "/settings", {"speed": 0}, 400, "invalid_field"),
        ("PATCH", "/settings", {"order": "random"}, 400, "invalid_field"),
        ("PUT", "/events", {"transport": "pigeon"}, 400, "invalid_field"),
    ],
)
async def test_refusals_name_what_is_wrong(
    world: World, method: str, path: str, body: Json, status: int, error: str
) -> None:
    assert (await world.control(method, path, status, **body))["error"] == error


async def test_settings_change_at_once(world: World) -> None:
    changed = await world.control("PATCH", "/settings", speed=60, rate_limits=False, retry_delays=[0, 1])
    assert changed["settings"]["speed"] == 60
    assert list(world.simulation.settings.retry_delays) == [0, 1]
    assert (await world.control("GET", "/settings"))["settings"]["rate_limits"] is False


async def test_the_state_shows_everything_at_a_glance(world: World) -> None:
    state = await world.control("GET", "/state")
    assert state["team"]["bot_user_id"] == "U0SANDBOT"
    assert [user["name"] for user in state["users"]] == ["okno", "anna"]
    assert [(channel["name"], channel["type"]) for channel in state["channels"]] == [("support", "public")]


async def test_a_watcher_sees_everything_that_people_see(world: World) -> None:
    watcher = world.simulation.subscribe()
    ts = await world.say("hi")
    path = f"/messages/support/{ts}"
    await world.control("PATCH", path, text="hello")
    await world.control("POST", f"{path}/reactions", user="anna", name="eyes")
    await world.control("DELETE", f"{path}/reactions", user="anna", name="eyes")
    await world.control("DELETE", path)
    await world.control("PATCH", "/users/anna", real_name="Anna")
    await world.control("PATCH", "/channels/support", name="help")
    await world.idle()
    kinds = []
    for _ in range(watcher.queue.qsize()):
        happening = watcher.queue.get_nowait()
        assert happening["platform"] == "slack"
        kinds.append(happening["kind"])
    watcher.close()
    assert [kind for kind in kinds if kind != "event_finished"] == [
        "message_posted",
        "message_changed",
        "reaction_added",
        "reaction_removed",
        "message_deleted",
        "user_changed",
        "message_posted",
        "channel_changed",
    ]
    assert kinds.count("event_finished") == 8
    await world.say("unwatched", channel="help")
    assert watcher.queue.qsize() == 0
