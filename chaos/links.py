"""The connections between the parts of a stack, each through a proxy of its own, so that one alone can be broken.

Always: the balancers before the two ingests of a platform, and the door to the API. For network faults also each
process's way to PostgreSQL, to Kafka and to the platforms. Kafka tells its clients where to come, so each process has a
listener of Kafka's whose advertised address is its proxy: nothing goes round it. Not behind proxies: probes, metrics,
traces, and what the campaign itself looks at.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from chaos.nemesis_plan import PROCESSES
from chaos.proxy import Proxy
from sandbox.stack.options import Ways
from sandbox.stack.plan import SANDBOX, Addresses
from sandbox.stack.ports import free_ports

_REPLICAS = {"ingest-slack": ("ingest-slack-0", "ingest-slack-1"), "ticketing-api": ("ticketing-api",),
             "ingest-telegram": ("ingest-telegram-0", "ingest-telegram-1")}  # fmt: skip
_CALLERS = {"ingest-slack": "platforms", "ingest-telegram": "platforms", "ticketing-api": "agents"}
DOORS = tuple(f"{caller} to {kind}" for kind, caller in _CALLERS.items())
"""The links by which people and agents come in."""


class Links:
    """`http_ports`, `doors` and `ways` are for the stack's options; `proxies` are by link, as in the nemesis's plan."""

    def __init__(self, *, network: bool) -> None:
        servers = (SANDBOX, *(name for names in _REPLICAS.values() for name in names))
        ports = iter(free_ports(len(servers) + len(_REPLICAS) + 4 * len(PROCESSES)))
        self.http_ports: Mapping[str, int] = {name: next(ports) for name in servers}
        self.doors: Mapping[str, int] = {kind: next(ports) for kind in _REPLICAS}
        self.proxies: dict[str, Proxy] = {
            f"{_CALLERS[kind]} to {kind}": Proxy(port, [self.http_ports[name] for name in _REPLICAS[kind]])
            for kind, port in self.doors.items()
        }
        self.ways: dict[str, Ways] = {}
        self._to_postgres: list[Proxy] = []
        for name in PROCESSES if network else ():
            ways = self.ways[name] = Ways(next(ports), next(ports), next(ports), next(ports))
            self.proxies[f"{name} to postgres"] = Proxy(ways.postgres)
            self.proxies[f"{name} to kafka"] = Proxy(ways.kafka, [ways.kafka_listener])
            self.proxies[f"{name} to platforms"] = Proxy(ways.platforms, [self.http_ports[SANDBOX]])
            self._to_postgres.append(self.proxies[f"{name} to postgres"])

    def aim(self, addresses: Addresses) -> None:
        """The servers have started: PostgreSQL chooses its own port."""
        port = urlsplit(addresses.database_url).port
        for proxy in self._to_postgres:
            proxy.targets = (port,) if port else ()

    async def start(self) -> None:
        for proxy in self.proxies.values():
            await proxy.start()

    async def close(self) -> None:
        for proxy in self.proxies.values():
            await proxy.close()
