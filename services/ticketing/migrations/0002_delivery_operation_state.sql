-- delivery_state is the post's; a later edit or deletion has a state of its own.
ALTER TABLE messages ADD COLUMN delivery_operation_state text;
