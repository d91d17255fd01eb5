-- When a platform was heard: the first and last live event of each minute. The first row of a platform is never pruned:
-- it says since when Okno is installed.
CREATE TABLE heard (
    platform text NOT NULL,
    minute timestamptz NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (platform, minute)
);

-- Slack's messages as chat.events showed them, without text: what history has and this hasn't was missed, what this has
-- and a complete history hasn't was deleted.
CREATE TABLE messages (
    channel_key text NOT NULL,
    ordinal bigint NOT NULL,
    thread text,
    content text,
    edited_at timestamptz,
    deleted boolean NOT NULL DEFAULT false,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    shown_in bigint,
    PRIMARY KEY (channel_key, ordinal)
);
CREATE INDEX messages_thread ON messages (channel_key, thread) WHERE thread IS NOT NULL;
CREATE INDEX messages_age ON messages USING brin (ordinal);

-- How far a channel's history was read after a gap. A reading that begins anew gets another number.
CREATE SEQUENCE reading_numbers;
CREATE TABLE readings (
    channel_key text PRIMARY KEY,
    number bigint NOT NULL DEFAULT nextval('reading_numbers'),
    step integer NOT NULL DEFAULT 0,
    channel jsonb NOT NULL,
    since timestamptz NOT NULL,
    oldest timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    stage text NOT NULL DEFAULT 'history',
    cursor text,
    lowest bigint,
    posts integer NOT NULL DEFAULT 0,
    edits integer NOT NULL DEFAULT 0,
    deletions integer NOT NULL DEFAULT 0
);
CREATE TABLE reading_threads (
    channel_key text NOT NULL,
    thread text NOT NULL,
    urgent boolean NOT NULL,
    cursor text,
    PRIMARY KEY (channel_key, thread)
);

-- Events that were read and are not published yet: they wait until those of the threads have been read too.
CREATE TABLE reading_finds (
    channel_key text NOT NULL,
    event_id text NOT NULL,
    ordinal bigint NOT NULL,
    rank smallint NOT NULL,
    type text NOT NULL,
    event text NOT NULL,
    PRIMARY KEY (channel_key, event_id)
);
CREATE INDEX reading_finds_order ON reading_finds (channel_key, ordinal, rank);
