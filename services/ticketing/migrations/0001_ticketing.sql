-- Tickets, their messages and everything the desk works with. Rows of tickets are written under the ticket's row lock;
-- so tables of many rows (messages, history) carry no foreign keys, whose checks would cost as much as the rows.

CREATE SEQUENCE ticket_numbers;

CREATE TABLE tickets (
    id text PRIMARY KEY,
    number bigint NOT NULL UNIQUE,
    subject text NOT NULL,
    status text NOT NULL CHECK (status IN ('new', 'open', 'pending', 'on_hold', 'solved', 'closed', 'comment_deleted')),
    priority text NOT NULL CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
    queue text NOT NULL,
    assignee_id text,
    tags text[] NOT NULL DEFAULT '{}',
    requester_id text NOT NULL,
    requester_key text NOT NULL,
    requester_name text,
    version bigint NOT NULL,  -- every change, gapless
    revision bigint NOT NULL, -- changes of the fields that agents edit: the ETag
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    first_response_at timestamptz,
    solved_at timestamptz,
    closed_at timestamptz,
    ended_at timestamptz,
    last_customer_message_at timestamptz,
    last_desk_message_at timestamptz,
    follows text,
    place_key text,           -- null: a ticket without a place of its own
    platform text,
    channel_key text,
    pings jsonb NOT NULL DEFAULT '[]',
    opening_message_id text,
    customer_messages integer NOT NULL DEFAULT 0, -- of the customer, not deleted, not context
    traceparent text          -- the journey of the customer's latest message, which replies link to
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX tickets_one_active_per_place ON tickets (place_key)
    WHERE status IN ('new', 'open', 'pending', 'on_hold', 'comment_deleted');
CREATE INDEX tickets_place ON tickets (place_key);
CREATE INDEX tickets_updated ON tickets (updated_at, id);
CREATE INDEX tickets_status ON tickets (status, number);
CREATE INDEX tickets_queue ON tickets (queue, number);
CREATE INDEX tickets_assignee ON tickets (assignee_id, number);
CREATE INDEX tickets_channel ON tickets (channel_key, number);
CREATE INDEX tickets_requester ON tickets (requester_id, number);

CREATE TABLE conversations (
    ticket_id text NOT NULL,
    position integer NOT NULL,
    id text NOT NULL,
    channel_key text NOT NULL,
    place jsonb NOT NULL,
    PRIMARY KEY (ticket_id, position)
);

-- A platform's message has its message key as id: the primary key turns a second arrival into nothing.
CREATE TABLE messages (
    id text PRIMARY KEY,
    ticket_id text NOT NULL,
    conversation_id text,
    kind text NOT NULL CHECK (kind IN ('chat', 'reply', 'automatic', 'note')),
    author_kind text NOT NULL CHECK (author_kind IN ('customer', 'agent', 'bot')),
    author_key text,
    author_name text,
    agent_id text,
    text text NOT NULL,
    sent_at timestamptz NOT NULL,
    ordinal bigint NOT NULL, -- the platform's order among messages of one time
    thread text,
    reply_to text,
    attachments jsonb,
    mentions jsonb,
    context boolean NOT NULL DEFAULT false,
    edited_at timestamptz,
    deleted_at timestamptz,
    revision_count integer NOT NULL DEFAULT 0,
    reaction_count integer NOT NULL DEFAULT 0, -- removed ones included
    delivery_state text,
    delivery_operation text,
    delivery_attempts integer,
    delivery_error_code text,
    delivery_error text,
    delivery_version bigint,
    delivery_keys text[],    -- message keys of a posted reply's parts, in order
    traceparent text
) WITH (fillfactor = 90);

CREATE INDEX messages_of_ticket ON messages (ticket_id, sent_at, ordinal);

-- Message keys of our own posts: edits, reactions and deletions of them find their reply.
CREATE TABLE posted_keys (
    message_key text PRIMARY KEY,
    message_id text NOT NULL
);

CREATE TABLE revisions (
    message_id text NOT NULL,
    number integer NOT NULL,
    text text NOT NULL,
    replaced_at timestamptz NOT NULL,
    PRIMARY KEY (message_id, number)
);

-- The latest time of a person and name wins; removed ones stay as rows, so that a late "added" is recognised.
CREATE TABLE reactions (
    message_id text NOT NULL,
    person_key text NOT NULL,
    name text NOT NULL,
    added boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (message_id, person_key, name)
);

CREATE TABLE history (
    ticket_id text NOT NULL,
    version bigint NOT NULL,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    cause_kind text NOT NULL,
    cause_id text NOT NULL,
    actor_kind text NOT NULL,
    actor_id text,
    actor_name text,
    changes jsonb NOT NULL,
    message_id text,
    traceparent text,
    PRIMARY KEY (ticket_id, version)
);

-- A command is applied once, by its id.
CREATE TABLE commands (
    command_id text PRIMARY KEY,
    outcome text NOT NULL,
    ticket_id text,
    applied_at timestamptz NOT NULL
);
CREATE INDEX commands_applied ON commands USING brin (applied_at);

-- Receipts of automatic answers may arrive before the answer itself: another topic carries it.
CREATE TABLE early_receipts (
    delivery_id text PRIMARY KEY,
    version bigint NOT NULL,
    receipt jsonb NOT NULL,
    arrived_at timestamptz NOT NULL
);

-- A channel that got a new key: commands that still name the old one are read as naming the new one.
CREATE TABLE channel_aliases (
    old_channel_key text PRIMARY KEY,
    channel_key text NOT NULL,
    moved_at timestamptz NOT NULL
);
CREATE INDEX channel_aliases_new ON channel_aliases (channel_key);

CREATE TABLE contacts (
    id text PRIMARY KEY,
    created_at timestamptz NOT NULL
);

CREATE TABLE identities (
    person_key text PRIMARY KEY,
    contact_id text NOT NULL REFERENCES contacts (id),
    name text,
    real_name text,
    email text,
    time_zone text,
    locale text,
    avatar_url text,
    is_bot boolean NOT NULL DEFAULT false,
    profile_at timestamptz -- null: known from messages only
);
CREATE INDEX identities_contact ON identities (contact_id);

CREATE TABLE channels (
    channel_key text PRIMARY KEY,
    name text,
    type text,
    profile_at timestamptz
);

CREATE TABLE agents (
    id text PRIMARY KEY,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('agent', 'mentor', 'coordinator', 'lead')),
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

CREATE TABLE agent_identities (
    person_key text PRIMARY KEY,
    agent_id text NOT NULL REFERENCES agents (id),
    active boolean NOT NULL,
    version bigint NOT NULL -- of desk.staff.v1, counts over changes of agent too
);
CREATE INDEX agent_identities_agent ON agent_identities (agent_id);

CREATE TABLE tokens (
    id text PRIMARY KEY,
    name text NOT NULL,
    digest bytea NOT NULL UNIQUE, -- SHA-256 of the token, which itself is shown once and never stored
    scope text NOT NULL CHECK (scope IN ('read', 'agent', 'admin')),
    agent_id text REFERENCES agents (id),
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);

CREATE TABLE policies (
    version integer PRIMARY KEY,
    document jsonb NOT NULL,
    applied_at timestamptz NOT NULL,
    applied_by text NOT NULL
);

-- Written in the transaction of the request's effect, so that effect and answer are there together or not at all.
CREATE TABLE idempotency_keys (
    token_id text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status integer,
    response bytea,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_keys_created ON idempotency_keys USING brin (created_at);

CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    identity text NOT NULL UNIQUE, -- the same for every copy of one dead letter
    dead_topic text NOT NULL,
    dead_partition integer NOT NULL,
    dead_offset bigint NOT NULL,
    consumer text NOT NULL,
    topic text NOT NULL,           -- where the original record was; -1 where the dead letter doesn't say
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    key bytea,
    value bytea,
    headers bytea NOT NULL,        -- the original's, packed as in the outbox
    truncated boolean NOT NULL,    -- the value was too large and was cut: it can't be replayed
    cause text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    dead_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'discarded')),
    reason text,
    settled_at timestamptz,
    settled_by text
);
CREATE INDEX dead_letters_state ON dead_letters (state, id);
