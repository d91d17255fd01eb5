"""Slack: receiving over HTTP or Socket Mode, and the pure parser. Nothing here calls Slack on the event path."""
