"""One embedded broker: data, cluster id and ports survive stop, kill and start, so that clients find it again."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox.stack import become
from sandbox.stack.embedded import EmbeddedServer
from sandbox.stack.environment import base_environment
from sandbox.stack.errors import StackError
from sandbox.stack.kafka.distribution import jars, java
from sandbox.stack.kafka.probe import serves_groups
from sandbox.stack.paths import ROOT
from sandbox.stack.ports import free_ports, is_free
from sandbox.stack.process import Launch
from sandbox.stack.progress import SILENT, Progress

HOST = "127.0.0.1"
READY_SECONDS = 90.0
_HEAP = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


def properties(data: Path, port: int, controller_port: int, behind: Sequence[tuple[int, int]] = ()) -> dict[str, str]:
    """The broker's settings: one node that is broker and controller, on this machine only. Topics are never created by
    accident, and records may be as large as any topic allows (topics set their own limit).

    `behind` are further ports to listen on, each with the port (a proxy's) at which its clients are told to come.
    """
    named = [(f"BEHIND{number}", *ports) for number, ports in enumerate(behind)]
    listens = [f"{name}://{HOST}:{at}" for name, at, _ in named]
    tells = [f"{name}://{HOST}:{told}" for name, _, told in named]
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([f"PLAINTEXT://{HOST}:{port}", f"CONTROLLER://{HOST}:{controller_port}", *listens]),
        "advertised.listeners": ",".join([f"PLAINTEXT://{HOST}:{port}", *tells]),
        "listener.security.protocol.map": ",".join(
            f"{name}:PLAINTEXT" for name in ("PLAINTEXT", "CONTROLLER", *(name for name, _, _ in named))
        ),
        **{f"listener.name.{name.lower()}.num.network.threads": "1" for name, _, _ in named},
        "log.dirs": str(data),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        # After a kill the controller waits for the old session of the broker to end (9 s by default).
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    }


class EmbeddedKafka(EmbeddedServer):
    """A broker in a folder. `bootstrap_servers` is known once it was started, and stays."""

    ready_seconds = READY_SECONDS

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "kafka",
        log: Path | None = None,
        pid_file: Path | None = None,
        progress: Progress = SILENT,
        behind: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.folder = folder
        self.name = name
        self._log = log if log is not None else folder / "kafka.log"
        self._pid_file = pid_file
        self._progress = progress
        self._behind = behind
        self._ports: tuple[int, int] | None = None

    @property
    def bootstrap_servers(self) -> str:
        if self._ports is None:
            raise StackError("Kafka has not been started yet")
        return f"{HOST}:{self._ports[0]}"

    async def ready(self) -> bool:
        """Whether consumer groups are served."""
        return self._ports is not None and await serves_groups(HOST, self._ports[0])

    def _prepare(self) -> Launch:
        program = java()
        classpath = f"{jars(self._progress)}/*"
        self.folder.mkdir(parents=True, exist_ok=True)
        data = self.folder / "data"
        self._ports = port, controller_port = self._choose_ports()
        settings = self.folder / "server.properties"
        lines = (f"{key}={value}" for key, value in properties(data, port, controller_port, self._behind).items())
        settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
        env = base_environment()
        if not (data / "meta.properties").exists():
            self._format([program, *_HEAP, "-cp", classpath], settings, env)
        command = [program, *_HEAP, *_LOGGING, "-cp", classpath, "kafka.Kafka", str(settings)]
        command = become.command_line(command, pid_file=self._pid_file)
        return Launch(self.name, command, env, ROOT, self._log, pid_file=self._pid_file)

    def _choose_ports(self) -> tuple[int, int]:
        """The ports of last time when they are free, else new ones."""
        remembered = self.folder / "ports.json"
        if remembered.exists():
            port, controller_port = json.loads(remembered.read_text(encoding="utf-8"))
            if is_free(port) and is_free(controller_port):
                return port, controller_port
        port, controller_port = free_ports(2)
        remembered.write_text(json.dumps([port, controller_port]), encoding="utf-8")
        return port, controller_port

    def _format(self, launcher: list[str], settings: Path, env: dict[str, str]) -> None:
        cluster_id = base64.urlsafe_b64encode(os.urandom(16)).decode("ascii").rstrip("=").replace("-", "A")
        command = [*launcher, "kafka.tools.StorageTool", "format", "-t", cluster_id, "-c", str(settings)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise StackError(f"Kafka could not format {self.folder}:\n{done.stdout}{done.stderr}")
