"""Which bots get to see what happens in a chat.

Invariant: no bot sees what another bot says; in groups a bot in privacy mode sees only what is meant for it, unless
it is an administrator (Telegram bot features page, "Privacy mode").
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.telegram.entities import Entity
from sandbox.telegram.world import BotIdentity, Chat, Message, World


def bots_in(world: World, chat: Chat) -> Iterator[BotIdentity]:
    """The bots that are members of the chat."""
    for bot in world.bots.values():
        if chat.status(bot.id) in {"creator", "administrator", "member"}:
            yield bot


def bots_to_tell(world: World, chat: Chat, message: Message, *, by_bot: bool = False) -> Iterator[BotIdentity]:
    """The bots that a message or its edit is delivered to."""
    if by_bot and not message.service:
        return
    for bot in bots_in(world, chat):
        if bot.id == message.sender_id:
            continue
        if (
            chat.is_private
            or chat.is_admin(bot.id)
            or not bot.privacy
            or message.service
            or meant_for(bot, chat, message)
        ):
            yield bot


def meant_for(bot: BotIdentity, chat: Chat, message: Message) -> bool:
    """A command to the bot, a bare command right after the bot spoke, or a reply to the bot."""
    replied = chat.messages.get(message.reply_to) if message.reply_to is not None else None
    if replied is not None and replied.sender_id == bot.id:
        return True
    for name in commands(message.content):
        command, _, addressee = name.partition("@")
        if addressee.lower() == bot.username.lower() or (command and not addressee and chat.last_bot == bot.id):
            return True
    return False


def commands(content: dict[str, object]) -> Iterator[str]:
    """The texts of the bot_command entities."""
    for text, entities in (("text", "entities"), ("caption", "caption_entities")):
        source = content.get(text)
        found = content.get(entities)
        if isinstance(source, str) and isinstance(found, list):
            units = source.encode("utf-16-le")
            for entity in found:
                yield from _command(units, entity)


def _command(units: bytes, entity: Entity) -> Iterator[str]:
    if entity["type"] == "bot_command":
        start, end = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
        yield units[start:end].decode("utf-16-le")
