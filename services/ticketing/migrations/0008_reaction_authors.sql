-- On whose side the person of a reaction stands, as in messages; NULL for those from before, or by an older worker.
ALTER TABLE reactions ADD COLUMN author_kind text, ADD COLUMN agent_id text;
