"""The router on a real broker and a real database: decided once, committed together, published in order."""

from contracts.chat_replies_v1 import PostReply
from contracts.chat_requests_v1 import ReadThread
from contracts.desk_policy_v1 import PolicyPublished
from contracts.keys import place_key
from contracts.ticket_commands_v1 import PlaceMessage
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import ALICE, BOB, COURSE, DIALOG, NOW, OURS, policy, post, renamed

COMMANDS = "ticket.commands.v1"


async def test_posts_in_channels_threads_and_dialogs_become_commands(bench: RouterBench) -> None:
    question = post(ALICE, 0)
    in_thread = post(BOB, 60, "me too", thread=0)
    echo = post(OURS, 70, "we look at it", thread=0)
    dialog = post(ALICE, 80, "hello", DIALOG)
    async with bench.router():
        await bench.send(question, in_thread, echo, dialog)
        await bench.settled()
    placed = [command for command in await bench.published(COMMANDS) if isinstance(command, PlaceMessage)]
    by_key = {command.message.message_key: command for command in placed}
    assert by_key.keys() == {question.message_key, in_thread.message_key, dialog.message_key}
    assert by_key[question.message_key].place == by_key[in_thread.message_key].place
    assert by_key[dialog.message_key].place.key == place_key(DIALOG.key, None)
    assert await bench.rules() == {
        question.record_id: "open",
        in_thread.record_id: "append_thread",
        echo.record_id: "echo",
        dialog.record_id: "open_dialog",
    }


async def test_a_platforms_redelivery_is_decided_once(bench: RouterBench) -> None:
    question = post(ALICE, 0, channel=COURSE)
    async with bench.router():
        await bench.send(question, question)
        await bench.settled()
        await bench.send(question)
        await bench.settled()
    assert len(await bench.published(COMMANDS)) == 1


async def test_each_channel_keeps_its_order_whatever_its_partition(bench: RouterBench) -> None:
    channels = [renamed(COURSE, f"slack:C{number:03}") for number in range(24)]
    events = [post(ALICE, minute * 600, channel=channel) for minute in range(5) for channel in channels]
    async with bench.router() as consumer:
        await bench.send(*events)
        await bench.settled()
        assert len({partition for topic, partition in consumer.partitions if topic == "chat.events.v1"}) == 12
    records = await bench.published_by_partition(COMMANDS)
    assert len({partition for partition, _ in records}) > 1
    placed = [record for _, record in records if isinstance(record, PlaceMessage)]
    for channel in channels:
        said = [command.message.sent_at for command in placed if command.channel_key == channel.key]
        assert said == [event.occurred_at for event in events if event.channel.key == channel.key]


async def test_a_second_router_takes_over_partitions_without_losing_or_repeating(bench: RouterBench) -> None:
    channels = [renamed(COURSE, f"slack:C{number:03}") for number in range(24)]
    events = [post(ALICE, minute * 600, channel=channel) for minute in range(4) for channel in channels]
    async with bench.router("router-0") as first:
        await bench.send(*events[:40])
        async with bench.router("router-1") as second:
            await bench.send(*events[40:])

            async def shared() -> bool:
                return bool(first.partitions and second.partitions)

            await bench.until(shared)
            assert not first.partitions & second.partitions
            await bench.settled()
    placed = [one for one in await bench.published(COMMANDS) if isinstance(one, PlaceMessage)]
    assert sorted(one.command_id for one in placed) == sorted(f"{event.record_id}#0" for event in events)


async def test_answers_and_requests_go_to_their_topics(bench: RouterBench) -> None:
    rules = policy(1, answers=[{"name": "hours", "text": "9 to 18", "words": ["hours"], "opens_ticket": False}])
    applied = PolicyPublished(version=1, document=rules.document, applied_at=NOW, applied_by="lead")
    asked, below = post(ALICE, 0, "which hours?", DIALOG), post(BOB, 600, thread=0)
    async with bench.router():
        await bench.send(applied)
        await bench.settled()
        await bench.send(asked, below)
        await bench.settled()
    (answer,) = await bench.published("chat.replies.v1")
    assert isinstance(answer, PostReply)
    assert (answer.text, answer.place.key) == ("9 to 18", place_key(DIALOG.key, None))
    (request,) = await bench.published("chat.requests.v1")
    assert isinstance(request, ReadThread)
    assert request.thread == below.thread


async def test_a_poison_record_is_put_aside_and_its_neighbours_go_on(bench: RouterBench) -> None:
    before, after = post(ALICE, 0), post(BOB, 600)
    nul = post(ALICE, 300).model_copy(update={"message_key": "slack:C01:\0"})  # PostgreSQL refuses it
    await bench.send(before, nul, after)
    await bench.producer.send_and_wait("chat.events.v1", b"not json", key=COURSE.key.encode())
    async with bench.router():
        await bench.settled()
        await bench.until(bench.outbox_published)
    assert len(await bench.published(COMMANDS)) == 2
    assert await bench.count("chat.events.v1.dead") == 2


async def test_commands_carry_the_trace_of_their_event(bench: RouterBench) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    async with bench.router():
        await bench.send(post(ALICE, 0), traceparent=trace)
        await bench.settled()
    assert await bench.traces(COMMANDS) == [trace]
