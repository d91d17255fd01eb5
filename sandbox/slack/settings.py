"""What can be switched while the simulation runs; the defaults are the strict reading of Slack's documentation."""

from dataclasses import dataclass
from typing import Literal

Transport = Literal["http", "socket"]
Order = Literal["channel", "none"]


@dataclass(slots=True)
class Settings:
    """All switches of one simulation."""

    rate_limits: bool = True
    """Whether the Web API's limits are enforced."""

    post_burst: int = 5
    """How many posts a channel takes at once before the one per second applies."""

    posts_per_minute: int = 300
    """Posts a minute in the whole workspace ("several hundred")."""

    marketplace: bool = True
    """False: history and replies as for commercial apps outside the Marketplace: 1 a minute, 15 messages a page."""

    long_text_bytes: int = 4000
    """Longest text of a post or update, in bytes of UTF-8; longer is msg_too_long."""

    truncate_posts: bool = False
    """True: chat.postMessage cuts text at 40,000 characters, as documented, instead of refusing it."""

    transport: Transport = "http"
    """How events travel: to the events URL, or over a socket."""

    events_url: str | None = None
    """Where events are posted; None: the app has no subscription over HTTP."""

    event_types: frozenset[str] | None = None
    """The subscribed types (`message`, `reaction_added`, ...); None: all."""

    timeout_seconds: float = 3.0
    """How long the app may take to answer an event, in real seconds."""

    retry_delays: tuple[float, ...] = (0.0, 60.0, 300.0)
    """Simulated seconds before each retry."""

    order: Order = "channel"
    """`channel`: the first attempts of a channel's events one after another; `none`: all at once."""

    concurrency: int = 32
    """How many events may be on their way at a time."""

    disable_failing: bool = True
    """Whether an app that fails over 95 % of at least 1,000 events an hour gets no more of them."""

    events_per_hour: int | None = None
    """Above it events are dropped and app_rate_limited is sent each minute (Slack: 30,000); None: no limit."""
