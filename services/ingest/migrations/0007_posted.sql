-- Whether the post itself was heard, not only an edit of it. NULL, in rows from before: if there is content. What the
-- version before notes beside this one counts as not heard: a post that is published twice is decided once.
ALTER TABLE messages ADD COLUMN posted boolean;
ALTER TABLE messages ALTER COLUMN posted SET DEFAULT false;
