"""Starts Kafka, PostgreSQL and every process of Okno on one machine, and stops exactly those; restarts none of them."""
