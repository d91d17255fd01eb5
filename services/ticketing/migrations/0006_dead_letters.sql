-- The corrected record to replay instead of the original, which stays. The last one of a letter counts.
CREATE TABLE dead_letter_edits (
    dead_letter_id bigint NOT NULL REFERENCES dead_letters (id) ON DELETE CASCADE,
    number integer NOT NULL,
    key bytea NOT NULL,
    value bytea NOT NULL,
    headers bytea NOT NULL,
    edited_at timestamptz NOT NULL,
    edited_by text NOT NULL,
    PRIMARY KEY (dead_letter_id, number)
);
-- Waiting letters of a key, of any length: none is replayed before an earlier one.
CREATE INDEX dead_letters_key ON dead_letters USING hash (key) WHERE state = 'waiting';
-- Where the record first stood, before it was replayed and put aside again: the order of a key's letters.
ALTER TABLE dead_letters ADD COLUMN first_offset bigint;
-- Whether later records of its key wait behind it, so that its consumer is to be told what became of it.
ALTER TABLE dead_letters ADD COLUMN parks boolean NOT NULL DEFAULT false;
