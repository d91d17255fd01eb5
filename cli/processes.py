"""The processes by name: where each is put together, and the schema it needs.

A bootstrap function takes a `ProcessContext[Settings]`; which settings a process has is read from that annotation, so
that nothing is said twice. Importing this module imports no service.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from chassis.settings import ProcessSettings

ROOT = Path(__file__).parent.parent
CHASSIS_MIGRATIONS = ROOT / "chassis" / "migrations"


@dataclass(frozen=True, slots=True)
class ProcessKind:
    """`service` is also its schema's name; None for a process that has no tables."""

    name: str
    module: str
    function: str
    service: str | None

    def present(self) -> bool:
        """Whether its code is here: an image has that of its own service only."""
        return (ROOT / self.module.replace(".", "/")).with_suffix(".py").exists()

    def bootstrap(self) -> Callable[[Any], Awaitable[None]]:
        return getattr(import_module(self.module), self.function)  # type: ignore[no-any-return]

    def settings_class(self) -> type[ProcessSettings]:
        """The settings of the process, from the bootstrap function's only parameter."""
        function = self.bootstrap()
        hints = get_type_hints(function)
        (context,) = (hint for name, hint in hints.items() if name != "return")
        settings: type[ProcessSettings] = context.__args__[0]
        return settings


KINDS: dict[str, ProcessKind] = {
    kind.name: kind
    for kind in (
        ProcessKind("ingest-slack", "services.ingest.bootstrap", "run_ingest_slack", None),
        ProcessKind("ingest-telegram", "services.ingest.bootstrap", "run_ingest_telegram", None),
        ProcessKind("ingest-worker", "services.ingest.bootstrap", "run_ingest_worker", "ingest"),
        ProcessKind("router", "services.router.bootstrap", "run_router", "router"),
        ProcessKind("ticketing-api", "services.ticketing.bootstrap", "run_ticketing_api", "ticketing"),
        ProcessKind("ticketing-worker", "services.ticketing.bootstrap", "run_ticketing_worker", "ticketing"),
        ProcessKind("notifier", "services.notifier.bootstrap", "run_notifier", "notifier"),
        ProcessKind("sandbox", "sandbox.bootstrap", "run_sandbox", None),
    )
}
SERVICES = ("ingest", "router", "ticketing", "notifier")


def migration_folders(service: str) -> list[tuple[str, Path]]:
    """The migrations of a service's schema in the order they run: the chassis's tables, then its own."""
    return [("chassis", CHASSIS_MIGRATIONS), (service, ROOT / "services" / service / "migrations")]
