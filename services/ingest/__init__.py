"""Accepts what the platforms send, verifies, normalizes and publishes it. Decides nothing."""
