-- The router's view of the chats, split by writer so that no two partitions write the same row:
--   by a channel's partition of chat.events: messages (posted by people), conversations, places, speakers, early_changes,
--     decisions, channel_aliases
--   by a channel's partition of chat.receipts: messages (posted by us)
--   by a ticket's partition of ticket.events: tickets, ticket_conversations
--   by the one partition of each compacted topic: staff, policy, channel_names
-- Rows may be deleted by age where the table has a column for it (docs/routing.md, "What may be forgotten").

CREATE TABLE messages (
    message_key     text PRIMARY KEY,
    conversation_id text NOT NULL,
    place_key       text,                   -- null: a receipt doesn't tell it, the conversation does
    role            text NOT NULL,
    ours            boolean NOT NULL,
    content         text NOT NULL,
    sent_at         timestamptz NOT NULL,   -- the platform's time
    edited_at       timestamptz,
    deleted_at      timestamptz,
    album           text,                   -- <channel key>|<album>
    known_since     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX messages_album ON messages (album) WHERE album IS NOT NULL;

CREATE TABLE conversations (
    conversation_id   text PRIMARY KEY,
    place_key         text NOT NULL,
    opening_ticket_id text NOT NULL,        -- derived here; ticketing has the last word (ticket_conversations)
    started_at        timestamptz NOT NULL, -- the platform's time of its first message
    known_since       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE places (
    place_key       text PRIMARY KEY,
    alias_of        text,                   -- a second root joined by continue_within: the place it belongs to
    conversation_id text,                   -- the latest; null for an alias
    known_since     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE speakers (
    channel_key text NOT NULL,
    backfilled  boolean NOT NULL,           -- as its history was read, apart from what happened
    person_key  text NOT NULL,
    at          timestamptz NOT NULL,
    place_key   text,
    PRIMARY KEY (channel_key, backfilled)
);

CREATE TABLE channel_aliases (
    old_key     text PRIMARY KEY,
    new_key     text NOT NULL,
    moved_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE early_changes (
    event_id    text PRIMARY KEY,
    message_key text NOT NULL,
    type        text NOT NULL,
    event       bytea NOT NULL,             -- the record's value
    traceparent text,
    occurred_at timestamptz NOT NULL,
    kept_since  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX early_changes_message ON early_changes (message_key);

CREATE TABLE decisions (
    event_id       text PRIMARY KEY,
    rule           text NOT NULL,
    facts          jsonb NOT NULL,          -- what the view showed and what came of it; never message text
    policy_version integer NOT NULL,
    partition      integer NOT NULL,
    "offset"       bigint NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE tickets (
    ticket_id                text PRIMARY KEY,
    version                  bigint NOT NULL,
    number                   bigint NOT NULL,
    status                   text NOT NULL,
    ended_at                 timestamptz,
    last_customer_message_at timestamptz,
    changed_at               timestamptz NOT NULL
);

CREATE TABLE ticket_conversations (
    conversation_id text PRIMARY KEY,
    ticket_id       text NOT NULL,
    place_key       text NOT NULL,
    changed_at      timestamptz NOT NULL
);
CREATE INDEX ticket_conversations_place ON ticket_conversations (place_key);

CREATE TABLE staff (
    identity text PRIMARY KEY,
    agent_id text NOT NULL,
    name     text NOT NULL,
    active   boolean NOT NULL,
    version  integer NOT NULL
);

CREATE TABLE policy (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version    integer NOT NULL,
    document   text NOT NULL,
    applied_at timestamptz NOT NULL
);

CREATE TABLE channel_names (
    channel_key text PRIMARY KEY,
    name        text NOT NULL,
    updated_at  timestamptz NOT NULL
);

-- What every router keeps in memory is read again when its number has grown.
CREATE TABLE reference_versions (
    name   text PRIMARY KEY,
    number bigint NOT NULL
);
INSERT INTO reference_versions (name, number) VALUES ('staff', 0), ('policy', 0), ('aliases', 0);
