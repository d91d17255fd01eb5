"""What ingest-worker reads, and where it keeps how far."""

SCHEMA = "ingest"
CONSUMER = "ingest-worker"
TOPICS = ("chat.events.v1", "chat.requests.v1")
