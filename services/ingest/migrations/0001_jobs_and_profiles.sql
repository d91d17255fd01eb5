-- What the worker has to fetch from the platforms. A job is taken by moving its due time ahead, so that a worker that
-- dies leaves it to be taken again; it is deleted in the transaction that writes its result.
CREATE TABLE jobs (
    job_id text PRIMARY KEY,
    kind text NOT NULL,
    payload jsonb NOT NULL,
    due_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    traceparent text
);
CREATE INDEX jobs_due ON jobs (due_at);

-- What was last published about a person or channel, so that nothing is published again unchanged.
CREATE TABLE profiles (
    key text PRIMARY KEY,
    digest text NOT NULL,
    fetched_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX profiles_fetched_at ON profiles (fetched_at);
