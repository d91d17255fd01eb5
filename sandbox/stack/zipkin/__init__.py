"""Zipkin, the trace page of `make demo TRACES=1`: its jar and how it is started; spans come through the sandbox."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from sandbox.stack import become
from sandbox.stack.environment import base_environment
from sandbox.stack.errors import StackError
from sandbox.stack.kafka.distribution import copied_dependencies, java
from sandbox.stack.paths import DOWNLOADS, ROOT
from sandbox.stack.ports import free_port
from sandbox.stack.process import Launch
from sandbox.stack.progress import Progress

_POM = Path(__file__).with_name("pom.xml")
_HOST = "127.0.0.1"
_USUAL_PORT = 9411
_HEAP = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


async def prepare(state: Path, progress: Progress) -> tuple[Launch, str]:
    """How Zipkin is started, and its address; downloads the jar first when it isn't there."""
    version = re.search(r"<zipkin.version>(.+?)</zipkin.version>", _POM.read_text(encoding="utf-8"))
    if version is None:
        raise StackError(f"{_POM} names no <zipkin.version>")
    libs = await asyncio.to_thread(
        copied_dependencies, _POM, DOWNLOADS / "zipkin" / version[1], f"Zipkin {version[1]}", progress
    )
    jar = next(libs.glob("zipkin-server-*-exec.jar"))
    port = free_port(_USUAL_PORT)
    pid_file = state / "run" / "zipkin.pid"
    listen = {"port": str(port), "ip": _HOST, "protocols[0]": "http"}
    options = [f"-Darmeria.ports[0].{key}={value}" for key, value in listen.items()]
    command = become.command_line([java(), *_HEAP, *options, "-jar", str(jar)], pid_file=pid_file)
    env = {**base_environment(), "STORAGE_TYPE": "mem"}
    return Launch("zipkin", command, env, ROOT, state / "logs" / "zipkin.log", pid_file), f"http://{_HOST}:{port}"
