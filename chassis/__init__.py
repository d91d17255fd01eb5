"""What every service is bolted on: consuming, positions, outbox, telemetry, settings, lifecycle. Knows no service."""
