"""Calls to Telegram's Bot API. Nothing that was posted can be looked up, so a post is repeated only when it surely
never reached Telegram: no connection, or an answer that says so.

Traps of the library: BadRequest is a NetworkError; TimedOut and NetworkError are certain only by their cause.
https://core.telegram.org/bots/api#sendmessage
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from contracts.keys import (
    ChannelKey,
    MessageKey,
    channel_of_message,
    message_id_of,
    message_key,
    native_channel,
    telegram_channel,
)
from services.notifier.outcomes import (
    ChangeOutcome,
    Content,
    Done,
    Doubtful,
    Later,
    Moved,
    Posted,
    PostOutcome,
    ReadOutcome,
    Refused,
    Target,
    Unreadable,
)
from services.notifier.telegram.errors import BUSY, REMOVED, TOKEN, UNCHANGED, UNREACHABLE, UNSURE, refusal
from services.notifier.telegram.render import render

if TYPE_CHECKING:
    from telegram import Bot, LinkPreviewOptions, MessageEntity, ReplyParameters
    from telegram.error import RetryAfter, TelegramError

DEFAULT_RETRY_AFTER = 5.0
CONNECTIONS = 64


class TelegramSender:
    """One bot, without the library's rate limiter and without its getMe at the start."""

    keeps_messages = False  # a group's supergroup counts anew

    def __init__(self, *, token: str, api_url: str, timeout: float) -> None:
        self.timeout = timeout
        self._token = token
        self._api_url = api_url.rstrip("/")
        self._bot: Bot | None = None

    async def open(self) -> None:
        """Import and make what the first call would otherwise wait for."""
        self.bot()
        render("ready")

    def bot(self) -> Bot:
        """Made once, inside the event loop."""
        if self._bot is None:
            from telegram import Bot
            from telegram.request import HTTPXRequest

            seconds = self.timeout
            request = HTTPXRequest(
                connection_pool_size=CONNECTIONS,
                read_timeout=seconds,
                write_timeout=seconds,
                connect_timeout=seconds / 2,
                pool_timeout=seconds / 2,
            )
            self._bot = Bot(self._token, base_url=f"{self._api_url}/bot", request=request)
        return self._bot

    async def close(self) -> None:
        """Close the connections."""
        if self._bot is not None:
            await self._bot.request.shutdown()

    def render(self, text: str, mentions: Sequence[Any]) -> list[Content]:
        """The messages of a reply."""
        return render(text, mentions)

    async def post(self, target: Target, content: Content) -> PostOutcome:
        """sendMessage, into the topic, or as a reply in a plain group (by the first part)."""
        place = target.place
        result = await self._call(
            lambda: self.bot().send_message(
                native_channel(target.channel),
                content.text,
                entities=_entities(content),
                message_thread_id=None if place.thread is None else int(place.thread),
                reply_parameters=_quoted(place.reply_to if target.part == 0 else None, target.channel),
                link_preview_options=_no_preview(),
            ),
        )
        if isinstance(result, Refused | Later | Doubtful | Moved):
            return result
        return Posted(message_key(target.channel, result.message_id))

    async def update(self, key: MessageKey, content: Content) -> ChangeOutcome:
        """editMessageText; repeating it is harmless."""
        result = await self._call(
            lambda: self.bot().edit_message_text(
                content.text,
                chat_id=native_channel(channel_of_message(key)),
                message_id=int(message_id_of(key)),
                entities=_entities(content),
                link_preview_options=_no_preview(),
            )
        )
        return _changed(result, UNCHANGED)

    async def remove(self, key: MessageKey) -> ChangeOutcome:
        """deleteMessage; a message that isn't there any more is removed."""
        result = await self._call(
            lambda: self.bot().delete_message(native_channel(channel_of_message(key)), int(message_id_of(key)))
        )
        return _changed(result, REMOVED)

    async def find(self, target: Target, since: float) -> ReadOutcome:  # noqa: ARG002 - the interface's
        """Telegram shows a bot nothing of what it has posted."""
        return Unreadable(UNSURE)

    async def _call(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """The result of a call that succeeded, or what became of it."""
        from telegram.error import TelegramError

        try:
            async with asyncio.timeout(self.timeout):
                return await call()
        except TelegramError as error:
            return _narrowed(error, self._token)
        except (TimeoutError, OSError):
            return Doubtful(UNSURE)
        except (KeyError, TypeError, ValueError, AttributeError):  # an answer that isn't what it should be
            return Doubtful(UNSURE, answered=True)


def _no_preview() -> LinkPreviewOptions:
    from telegram import LinkPreviewOptions

    return LinkPreviewOptions(is_disabled=True)


def _quoted(key: MessageKey | None, channel: ChannelKey) -> ReplyParameters | None:
    """The answer is posted even if the message it answers is gone. In the supergroup that a group became the message's
    number is another message's.
    """
    from telegram import ReplyParameters

    if key is None or channel_of_message(key) != channel:
        return None
    return ReplyParameters(int(message_id_of(key)), allow_sending_without_reply=True)


def _entities(content: Content) -> list[MessageEntity] | None:
    """None rather than an empty list: then Telegram finds addresses and the like by itself."""
    from telegram import MessageEntity

    return [MessageEntity.de_json(dict(entity), None) for entity in content.entities] or None


def _changed(result: Any, fine: str) -> ChangeOutcome:
    """`fine` is the refusal that says that nothing needs to be done."""
    match result:
        case Refused(error=error):
            return Done() if error.code == fine else result
        case Later() | Doubtful():
            return result
        case Moved():
            return Refused(refusal("message to edit not found", forbidden=False))
        case _:
            return Done()


def _narrowed(error: TelegramError, token: str) -> Refused | Later | Doubtful | Moved:
    """A library's exception as an outcome."""
    import httpx
    from telegram.error import BadRequest, ChatMigrated, Conflict, Forbidden, InvalidToken, RetryAfter

    text = error.message
    match error:
        case RetryAfter():
            return Later(BUSY, _seconds(error))
        case ChatMigrated():
            return Moved(telegram_channel(token.partition(":")[0], error.new_chat_id))
        case Forbidden():
            return Refused(refusal(text.removeprefix("Forbidden: "), forbidden=True))
        case InvalidToken():
            return Refused(TOKEN)
        case BadRequest():
            return Refused(refusal(text, forbidden=False))
        case Conflict():
            return Later(BUSY)
        case _:
            if "too many requests" in text.lower():
                return Later(BUSY, DEFAULT_RETRY_AFTER)
            if isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
                return Later(UNREACHABLE)
            return Doubtful(UNSURE, answered=not isinstance(error.__cause__, httpx.HTTPError))


def _seconds(error: RetryAfter) -> float:
    """The library is on its way from numbers to timedeltas, and warns of it at each look."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pause = error.retry_after
    return pause.total_seconds() if isinstance(pause, timedelta) else float(pause)
