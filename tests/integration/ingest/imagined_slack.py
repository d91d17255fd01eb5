"""A Slack of one channel that answers with the pages it was given: for what the worker does with them."""

from typing import Any

from contracts.chat import Channel, ChannelType
from contracts.keys import Platform, slack_channel
from services.ingest.worker.slack_reads import Page

HELP = Channel(key=slack_channel("C1"), platform=Platform.SLACK, workspace="T1", type=ChannelType.PUBLIC)


class ImaginedSlack:
    """Stands for `SlackReads`. `cursors` are those that were asked for."""

    def __init__(self) -> None:
        self.pages: list[Page | Exception] = []
        self.cursors: list[str | None] = []
        self.last_call_at = 0.0

    async def envelope(self, _channel: Channel) -> dict[str, Any]:
        return {"type": "event_callback", "team_id": "T1", "authorizations": [{"user_id": "UOKNO", "is_bot": True}]}

    def page(self, cursor: str | None) -> Page:
        """The next one, in the order in which they are asked for."""
        self.cursors.append(cursor)
        page = self.pages.pop(0)
        if isinstance(page, Exception):
            raise page
        return page
