"""Small HTTP questions to processes of this machine, never through a proxy."""

from __future__ import annotations

import httpx


async def get(url: str, *, seconds: float = 2.0) -> tuple[int, str]:
    """Status and text of an answer; status 0 and the reason when there was none."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=seconds) as client:
            answer = await client.get(url)
    except httpx.HTTPError as error:
        return 0, type(error).__name__
    return answer.status_code, answer.text


async def answers_ok(url: str) -> bool:
    status, _ = await get(url)
    return status == 200
