"""Ticketing: owns tickets. A pure domain, a store of plain SQL, a worker that applies commands, and the REST API."""
