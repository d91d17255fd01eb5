"""The decisions: pure, total functions of an event, the view and the policy. No clock, no I/O, no randomness here."""

from services.router.decide.table import decide, decide_once

__all__ = ["decide", "decide_once"]
