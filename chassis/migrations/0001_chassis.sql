-- What every service with a schema has: how far it has read, what failed, what is to be published, who publishes.

-- Read and moved by each batch's transaction: the row's lock is the fence between two owners of a partition.
CREATE TABLE positions (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    cluster_id text NOT NULL,
    -- The group's committed offset that a person accepted as lying ahead of this position (okno positions accept).
    accepted_group_offset bigint,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- A row per place where handling failed or may have killed the process; gone as soon as the position has passed it.
CREATE TABLE attempts (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    starts integer NOT NULL DEFAULT 0,       -- begun and without an outcome so far: after a restart, deaths
    starts_alone integer NOT NULL DEFAULT 0, -- the same, with this record as the only one in hand
    failures integer NOT NULL DEFAULT 0,     -- ended with an error that wasn't transient
    cause text,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition, record_offset)
);

-- The share of records that a consumer dead-lettered lately; it outlives restarts, so they can't drain a topic.
CREATE TABLE dead_letter_shares (
    consumer text NOT NULL,
    process text NOT NULL,
    records integer NOT NULL,
    dead_letters integer NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, process)
);

CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    lane integer NOT NULL DEFAULT 0,
    topic text NOT NULL,
    key bytea,
    headers bytea NOT NULL, -- JSON: [[name, value], ...]; a value holds one character a byte (latin-1), or is null
    payload bytea,          -- null: a tombstone
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
-- Rows live for milliseconds: compressing them would be wasted.
ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Who may do what only one may do, until when by this server's clock. `token` grows with each new holder.
CREATE TABLE leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    token bigint NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 50);
