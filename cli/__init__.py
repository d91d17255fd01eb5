"""The `okno` command: starts processes and does operators' work. The only place that knows every service."""
