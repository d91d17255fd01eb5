-- Changes of messages that aren't stored yet: a reaction to our own post may come before the receipt that names the post.
CREATE TABLE early_changes (
    command_id text PRIMARY KEY,
    message_key text NOT NULL,
    type text NOT NULL,
    command jsonb NOT NULL,
    traceparent text,
    arrived_at timestamptz NOT NULL
);
CREATE INDEX early_changes_message ON early_changes (message_key);
