-- When we first came to the channel and first left it, as far as its history was read (ordinals): what is older than a
-- coming that no leaving precedes wasn't said to us, and goes once the history is complete.
ALTER TABLE readings ADD COLUMN joined bigint, ADD COLUMN parted bigint;
ALTER TABLE reading_finds ADD COLUMN message bigint; -- ordinal of the message that the event is about
