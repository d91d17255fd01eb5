"""`python -m chaos.mutant <mutation> run <kind> --name <name>`: a process of Okno with one promise taken out.

It reaches into the services by name and at run time, in a process of its own: nothing that campaigns import knows them.
"""

from __future__ import annotations

import importlib
import runpy
import sys
from collections.abc import Callable, Mapping
from typing import Any


def _replace(owner: Any, name: str, broken: Any) -> None:
    """AttributeError where the sound one isn't any more: a mutant that breaks nothing would prove nothing."""
    getattr(owner, name)
    setattr(owner, name, broken)


def no_offset_fence() -> None:
    """Positions are written, never compared: what was polled is handled, whoever has handled it since."""
    batches = importlib.import_module("chassis.batches")
    positions = importlib.import_module("chassis.positions")

    async def claim(_self: Any, connection: Any, polled: Mapping[Any, Any], _fetched_from: Any) -> Any:
        claimed = batches._Claimed()  # noqa: SLF001 - a mutation sits inside
        for tp, raws in polled.items():
            claimed.kept[tp] = list(raws)
            claimed.goals[tp] = raws[-1].offset + 1
        await positions.move(connection, _self._consumer, claimed.goals)  # noqa: SLF001
        return claimed

    _replace(batches.Batches, "_claim", claim)


def early_acknowledgement() -> None:
    """A webhook is answered as soon as its records are in memory."""
    publish = importlib.import_module("services.ingest.publish")

    async def unconfirmed(self: Any, records: list[Any]) -> None:
        asyncio = importlib.import_module("asyncio")

        async def send() -> None:
            for record in records:
                await self._producer.send(record.topic, record.value, key=record.key, headers=record.headers)

        self._sending = getattr(self, "_sending", set())
        task = asyncio.create_task(send())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    _replace(publish.Intake, "_publish", unconfirmed)


def no_read_back() -> None:
    """After a doubtful send nobody looks into the thread: the post isn't there, it is believed."""
    read_back = importlib.import_module("services.notifier.slack.read_back")
    outcomes = importlib.import_module("services.notifier.outcomes")

    async def find(*_: Any) -> Any:
        return outcomes.Absent()

    _replace(read_back, "find", find)


def two_relays() -> None:
    """Every relay publishes, whoever holds the lease."""
    relay = importlib.import_module("chassis.relay")
    sound = relay.Relay.__init__

    def unleased(self: Any, **settings: Any) -> None:
        sound(self, **{**settings, "lease": None})

    _replace(relay.Relay, "__init__", unleased)


def commit_before_state() -> None:
    """Positions move in a transaction of their own, which is committed before the handler begins."""
    batches = importlib.import_module("chassis.batches")
    sound = batches.Batches._claim  # noqa: SLF001 - a mutation sits inside

    async def claim(self: Any, _connection: Any, polled: Mapping[Any, Any], fetched_from: Mapping[Any, int]) -> Any:
        async with self._database.transaction() as own:
            return await sound(self, own, polled, fetched_from)

    _replace(batches.Batches, "_claim", claim)


def loose_tongue() -> None:
    """Libraries log their requests, tokens and all."""
    logs = importlib.import_module("chassis.logs")
    _replace(logs, "_TALKATIVE", ())
    _replace(logs, "_TOKENS", importlib.import_module("re").compile("(?!)"))


MUTATIONS: Mapping[str, Callable[[], None]] = {
    "no-offset-fence": no_offset_fence,
    "early-acknowledgement": early_acknowledgement,
    "no-read-back": no_read_back,
    "two-relays": two_relays,
    "commit-before-state": commit_before_state,
    "loose-tongue": loose_tongue,
}


def main() -> None:
    name, *sys.argv[1:] = sys.argv[1:]
    MUTATIONS[name]()
    runpy.run_module("cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
