"""The router on a real broker and a real database: decided once, committed together, published in order."""

from contracts.keys import place_key
from contracts.ticket_commands_v1 import PlaceMessage
from tests.integration.router.conftest import RouterBench
from tests.unit.router.makers import ALICE, BOB, COURSE, DIALOG, OURS, post

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
