-- What can't be fetched for so long isn't waited for any more (services/ingest/worker/retention.py).
ALTER TABLE jobs ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX jobs_created ON jobs USING brin (created_at);
