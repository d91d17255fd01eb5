"""Watchers never hold up what they watch."""

from sandbox.slack.live import QUEUE_LENGTH, Live


def test_a_slow_watcher_loses_the_oldest_and_knows() -> None:
    live = Live()
    watcher = live.subscribe()
    for number in range(QUEUE_LENGTH + 3):
        live.happened("message_posted", {"number": number})
    assert watcher.missed == 3
    assert watcher.queue.get_nowait() == {"platform": "slack", "kind": "message_posted", "number": 3}


async def test_a_watcher_is_iterated() -> None:
    live = Live()
    watcher = live.subscribe()
    live.happened("user_created", {})
    async for happening in watcher:
        assert happening["kind"] == "user_created"
        break
    watcher.close()
    live.happened("user_changed", {})
    assert watcher.queue.empty()
