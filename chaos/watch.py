"""A watch inside the database of the campaign: each move of a position backwards and each new token of a lease leave a
row. Looking from time to time would miss those that are made good at once.
"""

from __future__ import annotations

import asyncpg

from sandbox.stack.inside.backlog import SCHEMAS

_PREPARE = """
CREATE SCHEMA chaos;
CREATE TABLE chaos.set_back (
    consumer text, topic text, partition integer, before bigint, after bigint, at timestamptz DEFAULT clock_timestamp()
);
CREATE TABLE chaos.leased (name text, holder text, at timestamptz DEFAULT clock_timestamp());
CREATE FUNCTION chaos.note_lease() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.leased (name, holder) VALUES (NEW.name, NEW.holder);
    RETURN NULL;
END $$;
CREATE TRIGGER chaos_leased AFTER UPDATE ON ticketing.leases
FOR EACH ROW WHEN (NEW.token <> OLD.token) EXECUTE FUNCTION chaos.note_lease();
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO chaos.set_back (consumer, topic, partition, before, after)
    VALUES (OLD.consumer, OLD.topic, OLD.partition, OLD.next_offset, NEW.next_offset);
    RETURN NULL;
END $$"""
_WATCH = """
CREATE TRIGGER chaos_set_back AFTER UPDATE ON {schema}.positions
FOR EACH ROW WHEN (NEW.next_offset < OLD.next_offset) EXECUTE FUNCTION chaos.note()"""
SET_BACK = "SELECT consumer, topic, partition, before, after, at::text FROM chaos.set_back ORDER BY at"
LEASED = "SELECT name, holder, extract(epoch FROM at)::float8 FROM chaos.leased ORDER BY at"


_TABLES = {"set_back": ("consumer", "topic", "partition", "before", "after", "at"), "leased": ("name", "holder", "at")}

Seen = dict[str, list[tuple[object, ...]]]


async def take(dsn: str) -> Seen:
    """All rows, before the database is set back."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return {
            table: [tuple(row) for row in await connection.fetch(f"SELECT {', '.join(columns)} FROM chaos.{table}")]  # noqa: S608
            for table, columns in _TABLES.items()
        }
    finally:
        await connection.close()


async def write_down(dsn: str, seen: Seen) -> None:
    """What was taken takes the place of what is there."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for table, columns in _TABLES.items():
            await connection.execute(f"TRUNCATE chaos.{table}")
            await connection.copy_records_to_table(table, schema_name="chaos", records=seen[table], columns=columns)
    finally:
        await connection.close()


async def watch(dsn: str) -> None:
    """Begin to watch; the condition is the trigger's, so that ordinary moves cost next to nothing."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(_PREPARE)
        for schema in SCHEMAS:
            await connection.execute(_WATCH.format(schema=schema))
    finally:
        await connection.close()
