"""The four services. Each has its own schema, imports contracts and chassis, and never another service."""
