"""Real people in a busy support channel, played through the simulated Slack and found again through the API."""
