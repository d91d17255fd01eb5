"""What crosses a service boundary: models, topics, keys, ids and their encoding. Imports pydantic only."""
