-- The key of a conversation's replies on chat.replies.v1, where its channel has moved since it began.
ALTER TABLE conversations ADD COLUMN replies_key text;
