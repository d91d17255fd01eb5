"""Asks a broker, in Kafka's own protocol, whether it can serve consumer groups: an open port says less, because the
first group request after a start may still be answered with "coordinator not available".
"""

from __future__ import annotations

import asyncio
import struct

_FIND_COORDINATOR = 10
_VERSION = 0
_CLIENT = b"okno-probe"


async def serves_groups(host: str, port: int, *, seconds: float = 2.0) -> bool:
    """True when the broker names a group coordinator. The first such request makes the broker create its own topic of
    group offsets, so a True also means that this is done.
    """
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(_request(b"okno-probe"))
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                answer = await reader.readexactly(size)
            finally:
                writer.close()
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return False
    return _error_code(answer) == 0


def _request(group: bytes) -> bytes:
    header = struct.pack(">hhih", _FIND_COORDINATOR, _VERSION, 1, len(_CLIENT)) + _CLIENT
    body = struct.pack(">h", len(group)) + group
    return struct.pack(">i", len(header) + len(body)) + header + body


def _error_code(answer: bytes) -> int:
    """The error code of a FindCoordinator answer of version 0: correlation id, error code, node."""
    _, code = struct.unpack_from(">ih", answer)
    return int(code)
