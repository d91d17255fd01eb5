"""How much fits into a message and how many messages a bot may send, by raw HTTP and through python-telegram-bot."""

from __future__ import annotations

import io

import aiohttp
import pytest
from telegram import Bot, error

from sandbox.clock import ManualClock
from sandbox.telegram import RateLimits
from tests.contract.sandbox_telegram.support import TOKEN, Served, call, control, result

pytestmark = pytest.mark.filterwarnings("ignore::telegram.warnings.PTBDeprecationWarning")  # of its own making


async def test_a_text_has_4096_code_points_however_many_utf16_units(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock, ptb: Bot
) -> None:
    text = "😀" * 4096

    assert (await result(http, "sendMessage", chat_id=served.dialog.id, text=text))["text"] == text
    clock.advance(1)
    assert (await ptb.send_message(served.dialog.id, text)).text == text
    clock.advance(1)
    status, _ = await call(http, "sendMessage", chat_id=served.dialog.id, text=text + "x")
    assert status == 400


async def test_the_limit_counts_the_text_after_parsing(served: Served, ptb: Bot) -> None:
    sent = await ptb.send_message(served.dialog.id, f"<b>{'x' * 4096}</b>", parse_mode="HTML")

    assert sent.text == "x" * 4096


async def test_one_message_a_second_to_a_chat(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock, ptb: Bot
) -> None:
    await ptb.send_message(served.dialog.id, "one")

    async with http.post(
        f"/telegram/bot{TOKEN}/sendMessage", json={"chat_id": served.dialog.id, "text": "x"}
    ) as response:
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert await response.json() == {
            "ok": False,
            "error_code": 429,
            "description": "Too Many Requests: retry after 1",
            "parameters": {"retry_after": 1},
        }
    with pytest.raises(error.RetryAfter) as raised:
        await ptb.send_message(served.dialog.id, "too early")
    clock.advance(1)
    await ptb.send_message(served.dialog.id, "two")

    assert int(raised.value._retry_after.total_seconds()) == 1
    shown = (await control(http, "GET", f"/chats/{served.dialog.id}/messages"))["messages"]
    assert [message["text"] for message in shown] == ["hello", "one", "two"]


async def test_an_edit_counts_as_a_message(served: Served, clock: ManualClock, ptb: Bot) -> None:
    sent = await ptb.send_message(served.dialog.id, "one")

    with pytest.raises(error.RetryAfter):
        await ptb.edit_message_text("two", served.dialog.id, sent.message_id)
    clock.advance(1)
    edited = await ptb.edit_message_text("two", served.dialog.id, sent.message_id)

    assert isinstance(edited, type(sent))
    assert (edited.text, edited.edit_date is not None) == ("two", True)


async def test_twenty_messages_a_minute_to_a_group(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock, ptb: Bot
) -> None:
    for number in range(20):
        await result(http, "sendMessage", chat_id=served.group.id, text=str(number))
        clock.advance(1)

    status, answer = await call(http, "sendMessage", chat_id=served.group.id, text="21st")
    assert (status, answer["parameters"]) == (429, {"retry_after": 40})
    with pytest.raises(error.RetryAfter):
        await ptb.send_message(served.group.id, "21st")
    clock.advance(40)
    assert (await ptb.send_message(served.group.id, "21st")).text == "21st"


async def test_thirty_messages_a_second_in_all(
    served: Served, http: aiohttp.ClientSession, clock: ManualClock, ptb: Bot
) -> None:
    people = [served.simulation.world.add_person(f"P{number}") for number in range(31)]
    for person in people:
        served.simulation.actions.send(person.id, text="hi")
    for person in people[:30]:
        await result(http, "sendMessage", chat_id=person.id, text="x")

    status, answer = await call(http, "sendMessage", chat_id=people[30].id, text="x")
    assert (status, answer["parameters"]) == (429, {"retry_after": 1})
    with pytest.raises(error.RetryAfter):
        await ptb.send_message(people[30].id, "x")
    clock.advance(1)
    assert (await ptb.send_message(people[30].id, "x")).text == "x"


async def test_a_refused_call_uses_up_nothing(served: Served, http: aiohttp.ClientSession) -> None:
    await call(http, "sendMessage", chat_id=served.dialog.id, text="x", reply_parameters={"message_id": 1})

    await result(http, "sendMessage", chat_id=served.dialog.id, text="x")


async def test_limits_can_be_switched_off_and_changed(served: Served, http: aiohttp.ClientSession) -> None:
    await control(http, "PUT", "/rate-limits", enabled=False)
    for _ in range(40):
        await result(http, "sendMessage", chat_id=served.dialog.id, text="x")
    assert await control(http, "GET", "/rate-limits") == {"enabled": False}

    await control(http, "PUT", "/rate-limits", per_chat=2, total=None)
    statuses = [(await call(http, "sendMessage", chat_id=served.dialog.id, text="x"))[0] for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert served.simulation.rate_limits() == RateLimits(per_chat=2, total=None)


@pytest.mark.parametrize("size", [20 * 1024 * 1024, 3])
async def test_a_file_up_to_20_mb_can_be_fetched_by_its_path(size: int, served: Served, ptb: Bot) -> None:
    stored = served.simulation.files.add("a.bin", "application/octet-stream", b"x" * size)

    file = await ptb.get_file(stored.file_id)

    assert (file.file_size, len(await file.download_as_bytearray())) == (size, size)


async def test_an_upload_above_50_mb_is_refused(served: Served, http: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData({"chat_id": str(served.dialog.id)})
    form.add_field("document", io.BytesIO(bytes(50 * 1024 * 1024 + 1)), filename="big.bin")

    async with http.post(f"/telegram/bot{TOKEN}/sendDocument", data=form) as response:
        answer = await response.json()

    assert (response.status, answer["description"]) == (400, "Bad Request: file is too big")


async def test_a_photo_above_10_mb_is_refused(served: Served, ptb: Bot) -> None:
    with pytest.raises(error.BadRequest, match="File is too big"):
        await ptb.send_photo(served.dialog.id, bytes(10 * 1024 * 1024 + 1))
