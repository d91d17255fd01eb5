"""Telegram: how replies look there, how they are sent, what its refusals mean. No SQL."""
