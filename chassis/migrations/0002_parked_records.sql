-- Dead letters that wait, of consumers that park keys (chassis/parking.py): who comes after one of them in its key's
-- line waits too. A row goes when its letter is replayed or discarded.
CREATE TABLE parked_records (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    key bytea NOT NULL,
    first_offset bigint NOT NULL, -- where the record stood before it was first replayed: its place in the line
    parked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition, record_offset)
);
CREATE INDEX parked_records_key ON parked_records USING hash (key); -- keys of poison records may be of any length
