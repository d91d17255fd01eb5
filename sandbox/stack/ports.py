"""Free ports that stay ours across a restart: never from the range in which the system picks ports for outgoing
connections, because such a connection could take the port of a stopped server before it starts again.
"""

from __future__ import annotations

import random
import socket
from collections import deque
from pathlib import Path

LOWEST = 20_000
_given: deque[int] = deque(maxlen=1_000)
"""Lately, by this process: whoever asked may not listen there yet."""
_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def _highest() -> int:
    try:
        first_outgoing = int(_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        first_outgoing = 49_152  # the range IANA reserves for outgoing connections
    return first_outgoing - 1 if first_outgoing > LOWEST + 1_000 else 65_535


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """Distinct ports on which nothing listens now, and that nobody here was given lately."""
    highest = _highest()
    chosen: list[int] = []
    for _ in range(10_000):
        if len(chosen) == count:
            return chosen
        port = random.randint(LOWEST, highest)
        if port not in _given and is_free(port):
            chosen.append(port)
            _given.append(port)
    raise OSError(f"no {count} free ports between {LOWEST} and {highest}")


def free_port(preferred: int | None = None) -> int:
    """The preferred port when it is free, else another free one."""
    if preferred is not None and is_free(preferred):
        return preferred
    return free_ports(1)[0]
