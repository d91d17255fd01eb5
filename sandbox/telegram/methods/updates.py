"""How a bot gets its updates: setWebhook, deleteWebhook, getWebhookInfo, getUpdates.

Invariant: a bot has either a webhook or polls.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import orjson

from sandbox.telegram.errors import bad_request
from sandbox.telegram.feed import Webhook
from sandbox.telegram.methods.call import Call, Handler, Result

SECRET = re.compile(r"[A-Za-z0-9_-]*")
MAX_SECRET = 256
MAX_CONNECTIONS = 100
DEFAULT_CONNECTIONS = 40
MAX_POLL_SECONDS = 50
PORTS = frozenset({None, 443, 80, 88, 8443})


async def set_webhook(call: Call) -> Result:
    url = call.get("url").strip()
    if not url:
        return await delete_webhook(call)
    secret = call.get("secret_token") or None
    _check_secret(secret)
    _check_url(url, local_mode=call.platform.local_mode)
    feed = call.platform.feed(call.bot.id)
    feed.allow(call.get("allowed_updates"))
    before = feed.webhook
    if call.get("drop_pending_updates"):
        _drop_pending(call)
    connections = call.get("max_connections") or DEFAULT_CONNECTIONS
    webhook = Webhook(
        url=url,
        secret_token=secret,
        max_connections=max(1, min(connections, MAX_CONNECTIONS)),
        ip_address=call.get("ip_address"),
        has_custom_certificate=call.get("certificate") is not None,
    )
    if before is not None and not webhook.has_custom_certificate and webhook.same_as(before):
        if feed.webhook is None:
            call.platform.set_webhook(call.bot, before)
        return Result(True, "Webhook is already set")
    call.platform.set_webhook(call.bot, webhook)
    return Result(True, "Webhook was set")


def _check_secret(secret: str | None) -> None:
    if secret is not None and len(secret) > MAX_SECRET:
        raise bad_request("secret token is too long")
    if secret is not None and not SECRET.fullmatch(secret):
        raise bad_request("secret token contains unallowed characters")


def _check_url(url: str, *, local_mode: bool) -> None:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise bad_request("invalid webhook URL specified") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_request("invalid webhook URL specified")
    if local_mode:
        return
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if port not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


async def delete_webhook(call: Call) -> Result:
    had = call.platform.feed(call.bot.id).webhook is not None
    call.platform.set_webhook(call.bot, None)
    if call.get("drop_pending_updates"):
        _drop_pending(call)
    return Result(True, "Webhook was deleted" if had else "Webhook is already deleted")


def _drop_pending(call: Call) -> None:
    feed = call.platform.feed(call.bot.id)
    if feed.webhook is not None:
        call.platform.set_webhook(call.bot, None)
    for update_id in list(feed.pending):
        feed.forget(update_id)


async def get_webhook_info(call: Call) -> dict[str, Any]:
    feed = call.platform.feed(call.bot.id)
    feed.drop_expired()
    webhook = feed.webhook
    info: dict[str, Any] = {
        "url": webhook.url if webhook else "",
        "has_custom_certificate": webhook.has_custom_certificate if webhook else False,
        "pending_update_count": len(feed.pending),
    }
    if webhook is not None:
        info["max_connections"] = webhook.max_connections
        for name in ("ip_address", "last_error_date", "last_error_message"):
            if (value := getattr(webhook, name)) is not None:
                info[name] = value
    if feed.allowed is not None:
        info["allowed_updates"] = sorted(feed.allowed)
    return info


async def get_updates(call: Call) -> list[dict[str, Any]]:
    feed = call.platform.feed(call.bot.id)
    if feed.webhook is None:
        feed.allow(call.get("allowed_updates"))
    limit = max(1, min(call.get("limit", 100), 100))
    timeout = max(0, min(call.get("timeout", 0), MAX_POLL_SECONDS))
    return [orjson.loads(update.body) for update in await feed.poll(call.get("offset", 0), limit, timeout)]


HANDLERS: dict[str, Handler] = {
    "setWebhook": set_webhook,
    "deleteWebhook": delete_webhook,
    "getWebhookInfo": get_webhook_info,
    "getUpdates": get_updates,
}
