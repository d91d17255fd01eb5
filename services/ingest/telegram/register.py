"""Making ourselves known to Telegram at the start, without holding up the start: tried until it works."""

import asyncio

from chassis.logs import get_logger
from services.ingest.telegram.calls import TelegramCalls, TelegramRefused, TelegramUnreachable
from services.ingest.telegram.parse import Bot
from services.ingest.telegram.polling import ALLOWED_UPDATES

LONGEST_PAUSE_SECONDS = 60.0
log = get_logger(__name__)


async def register(
    calls: TelegramCalls, bot: Bot, *, webhook_url: str | None, secret: str | None, polling: bool
) -> None:
    """Learn the bot's name; set the webhook where a URL is given; remove it where we poll (409 otherwise)."""
    pause = 1.0
    while True:
        try:
            me = await calls.call("getMe")
            bot.username = str(me["username"]).lower()
            if polling:
                await calls.call("deleteWebhook")
            elif webhook_url is not None:
                arguments = {"url": webhook_url, "secret_token": secret, "allowed_updates": list(ALLOWED_UPDATES)}
                await calls.call("setWebhook", arguments)
        except (TelegramRefused, TelegramUnreachable) as error:
            log.warning("Telegram does not know us yet, trying again", error=str(error), seconds=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            log.info("known to Telegram", bot_id=bot.id, username=bot.username)
            return
