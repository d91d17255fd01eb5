-- Whether a person asked for the time: then also what is older than the invitation to the channel is published.
ALTER TABLE readings ADD COLUMN asked boolean NOT NULL DEFAULT false;
