"""Slack: how replies look there, how they are sent and found again, what its refusals mean. No SQL."""
