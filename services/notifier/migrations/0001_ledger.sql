-- The ledger. Everything about a delivery changes only under the lock of its row in `deliveries`.

CREATE TABLE deliveries (
    delivery_id text PRIMARY KEY,
    channel_key text NOT NULL,           -- as in the instruction; receipts keep it, also when the channel moves
    conversation_id text NOT NULL,
    ticket_id text,
    source text NOT NULL,
    place text NOT NULL,                 -- JSON of contracts.chat.Place
    text text NOT NULL,                  -- what the chat should show, CommonMark
    mentions text NOT NULL,              -- JSON list of contracts.chat.Person
    revision integer NOT NULL DEFAULT 1, -- counts the texts; a part remembers which one it shows
    requested_at timestamptz NOT NULL,
    version integer NOT NULL,            -- of the last receipt
    withdrawn boolean NOT NULL DEFAULT false, -- cancelled or deleted: nothing new may be posted
    deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- A post, edit or deletion. Active ones (queued, sending) of a conversation are carried out in the order of `line`.
CREATE SEQUENCE lines;
CREATE TABLE operations (
    instruction_id text PRIMARY KEY,
    delivery_id text NOT NULL REFERENCES deliveries,
    kind text NOT NULL CHECK (kind IN ('post', 'edit', 'delete')),
    state text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'unknown', 'failed', 'cancelled')),
    line bigint NOT NULL DEFAULT nextval('lines'),
    kafka_partition integer NOT NULL,
    conversation_id text NOT NULL,
    channel_key text NOT NULL,
    workspace text NOT NULL,             -- platform and workspace, slack:T1: whose rate limits apply
    due_at timestamptz NOT NULL,         -- queued: not before; sending: when the lease ends
    lease_token uuid,                    -- sending without one: between the parts of a long text
    posting boolean NOT NULL DEFAULT true, -- the leased call posts: without an outcome it is in doubt
    sending_revision integer,            -- of the text that the last lease was taken for
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0, -- in a row, for the backoff
    first_sent_at timestamptz,           -- reading back starts here
    parts_left integer NOT NULL DEFAULT 0, -- after the one in doubt
    recheck boolean NOT NULL DEFAULT false, -- a copy came from a sender that had lost its lease: look for copies
    error_code text,
    error_text text,
    traceparent text,
    queued_at timestamptz NOT NULL,
    ended_at timestamptz
);
CREATE INDEX operations_due ON operations (due_at, line) WHERE state IN ('queued', 'sending');
CREATE INDEX operations_line ON operations (conversation_id, line) WHERE state IN ('queued', 'sending');
CREATE INDEX operations_delivery ON operations (delivery_id);

-- The messages that a delivery became, in order. No key: a person confirmed that it arrived.
CREATE TABLE parts (
    delivery_id text NOT NULL REFERENCES deliveries,
    part integer NOT NULL,
    message_key text,
    revision integer NOT NULL,
    posted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (delivery_id, part)
);

-- Instructions that were applied, so that each is applied once.
CREATE TABLE instructions (
    instruction_id text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX instructions_applied ON instructions (applied_at);

-- A channel that got another id (Telegram's supergroup migration): what is sent to the one goes to the other.
CREATE TABLE channel_aliases (
    channel_key text PRIMARY KEY,
    moved_to text NOT NULL
);

-- Rate limits shared by all notifiers: when the bucket is full again, and how long the platform holds it.
CREATE TABLE buckets (
    name text PRIMARY KEY,
    full_at timestamptz NOT NULL,
    held_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- What a person paused: a channel key, or * for everything.
CREATE TABLE pauses (
    scope text PRIMARY KEY,
    reason text NOT NULL,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
