"""The REST API under /v1: requests in, one transaction of domain changes, JSON out. Publishes by the outbox only."""
