"""Channels that changed their key: which keys stand for one channel. Chains are followed, cycles end."""

from collections.abc import Mapping

from contracts.keys import ChannelKey, MessageKey, PlaceKey, Platform, channel_of_message, channel_of_place

_SLACK = f"{Platform.SLACK.value}:"


class Aliases:
    """Built from pairs old key -> new key."""

    def __init__(self, moved: Mapping[ChannelKey, ChannelKey] | None = None) -> None:
        self._family: dict[ChannelKey, tuple[ChannelKey, ...]] = {}
        for old, new in (moved or {}).items():
            self._add(old, new)

    def plus(self, old: ChannelKey, new: ChannelKey) -> "Aliases":
        """These aliases and one more; these stay as they are."""
        more = Aliases()
        more._family = dict(self._family)
        more._add(old, new)
        return more

    def _add(self, old: ChannelKey, new: ChannelKey) -> None:
        """Both keys, and all that stood for either, are one channel."""
        members = tuple(dict.fromkeys((*self.channels(new), *self.channels(old))))
        for member in members:
            self._family[member] = members

    def channels(self, key: ChannelKey) -> tuple[ChannelKey, ...]:
        """All keys of the channel, the given one first."""
        family = self._family.get(key)
        return (key,) if family is None else (key, *(member for member in family if member != key))

    def messages(self, key: MessageKey) -> tuple[MessageKey, ...]:
        """Keys under which a message may be known.

        Slack's messages keep their ts when a channel changes its id. Telegram's new supergroup counts anew: the same
        number is another message there.
        """
        if not self._family or not key.startswith(_SLACK):
            return (key,)
        channel = channel_of_message(key)
        return tuple(MessageKey(other + key[len(channel) :]) for other in self.channels(channel))

    def places(self, key: PlaceKey) -> tuple[PlaceKey, ...]:
        """Keys under which a place may be known, likewise."""
        if not self._family or not key.startswith(_SLACK):
            return (key,)
        channel = channel_of_place(key)
        return tuple(PlaceKey(other + key[len(channel) :]) for other in self.channels(channel))
