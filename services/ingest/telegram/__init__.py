"""Telegram: receiving by webhook or long polling, and the pure parser of its updates."""
