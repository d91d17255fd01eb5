-- Reactions to our posts may arrive before the receipt that names the message: another topic carries it.
CREATE TABLE early_reactions (
    command_id text PRIMARY KEY,
    message_key text NOT NULL,
    command jsonb NOT NULL,
    traceparent text,
    arrived_at timestamptz NOT NULL
);
CREATE INDEX early_reactions_message ON early_reactions (message_key);
CREATE INDEX early_reactions_arrived ON early_reactions USING brin (arrived_at);
