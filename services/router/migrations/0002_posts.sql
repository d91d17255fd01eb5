-- Our posts outside threads, by a channel's partition of chat.receipts. One that was begun may be in the chat under a
-- message key that nobody has told: it is being sent, or its delivery is `unknown`.
CREATE TABLE posts (
    delivery_id     text PRIMARY KEY,
    version         bigint NOT NULL,        -- of the latest receipt
    channel_key     text NOT NULL,
    conversation_id text NOT NULL,
    begun_at        timestamptz,            -- nothing was sent before; null: not begun, or all of it is known
    ended_at        timestamptz,            -- nothing was sent after; null while it is being sent
    changed_at      timestamptz NOT NULL
);
CREATE INDEX posts_unnamed ON posts (channel_key) WHERE begun_at IS NOT NULL;
