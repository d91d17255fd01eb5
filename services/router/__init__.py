"""Decides what each chat event means for the tickets. Talks to Kafka and its own schema only, never to a platform."""
