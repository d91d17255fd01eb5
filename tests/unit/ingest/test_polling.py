"""Long polling goes on past an update that nothing can be made of, and never past one that Kafka hasn't got."""

import json
from typing import Any

from chassis.metrics import REGISTRY
from services.ingest.publish import Intake, Unavailable
from services.ingest.telegram.calls import TelegramCalls
from services.ingest.telegram.polling import Polling

LONE_SURROGATE = json.loads('"\\ud800"')


class Calls(TelegramCalls):
    """Answers getUpdates from a list, and ends the polling when that is empty."""

    def __init__(self, *answers: list[dict[str, Any]]) -> None:
        self.answers = list(answers)
        self.offsets: list[int | None] = []
        self.polling: Polling

    async def call(self, method: str, arguments: dict[str, Any] | None = None, *, seconds: float = 10) -> Any:
        self.offsets.append((arguments or {}).get("offset"))
        if not self.answers:
            self.polling.stop()
            return []
        return self.answers.pop(0)


class Taking(Intake):
    """Takes everything after `refusals` refusals."""

    def __init__(self, refusals: int = 0) -> None:
        self.bodies: list[bytes] = []
        self.refusals = refusals

    async def take(self, body: bytes, payload: dict[str, Any], **_: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("away")
        self.bodies.append(body)


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def poll(calls: Calls, intake: Taking) -> None:
    calls.polling = Polling(calls, intake)
    await calls.polling.run()


async def test_an_update_that_is_no_proper_text_or_number_is_taken_and_passed() -> None:
    odd = {"update_id": 1, "message": {"text": LONE_SURROGATE, "date": 10**20}}
    calls, intake = Calls([odd, {"update_id": 2}]), Taking()
    await poll(calls, intake)
    assert [json.loads(body)["update_id"] for body in intake.bodies] == [1, 2]
    assert calls.offsets == [None, 3]


async def test_the_offset_stays_before_an_update_that_kafka_has_not_got() -> None:
    calls, intake = Calls([{"update_id": 1}], [{"update_id": 1}]), Taking(refusals=1)
    await poll(calls, intake)
    assert calls.offsets == [None, None, 2]


async def test_kafka_away_is_no_lost_connection_to_telegram() -> None:
    def unavailable() -> float:
        return counted("okno_webhook_requests_total", platform="telegram", outcome="unavailable")

    before = unavailable()
    calls, intake = Calls([{"update_id": 1}], [{"update_id": 1}]), Taking(refusals=2)
    await poll(calls, intake)
    assert counted("okno_transport_connected", platform="telegram") == 1
    assert unavailable() == before + 2
