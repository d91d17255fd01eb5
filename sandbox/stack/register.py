"""Connects the simulated platforms with the running services the way an administrator connects real ones: Slack checks
the events URL with a challenge, and Telegram's webhook is the one that ingest registered itself.
"""

from __future__ import annotations

from typing import Any

import httpx

from sandbox.stack.errors import StackError
from sandbox.stack.plan import Plan


async def register(plan: Plan) -> None:
    """StackError when a platform of the sandbox doesn't reach its service. Other platform servers are left alone."""
    async with httpx.AsyncClient(trust_env=False, timeout=10, base_url=plan.sandbox_url) as sandbox:
        if plan.slack.api_url.startswith(plan.sandbox_url) and plan.options.slack_transport == "http":
            await _answer(
                "Slack's events URL", sandbox, "PUT", "/control/slack/events", {"url": plan.events_url, "verify": True}
            )
        if plan.telegram.api_url.startswith(plan.sandbox_url) and plan.options.telegram_transport == "webhook":
            method = f"/telegram/bot{plan.telegram.bot_token}/getWebhookInfo"
            shown = await _answer("Telegram's webhook", sandbox, "GET", method, None)
            if shown["result"]["url"] != plan.webhook_url:
                raise StackError(f"Telegram's webhook is {shown['result']['url']!r} instead of {plan.webhook_url}")


async def _answer(what: str, client: httpx.AsyncClient, method: str, path: str, body: object) -> dict[str, Any]:
    answer = await client.request(method, path, json=body)
    if answer.status_code != 200:
        raise StackError(f"{what} could not be registered: {answer.status_code} {answer.text}")
    shown: dict[str, Any] = answer.json()
    return shown
