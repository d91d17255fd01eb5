-- What a receiver will ask to be read: from an outage's begin (or its own start) until Kafka has the request. `seen_at`
-- moves on while the receiver lives; what a dead one leaves becomes a job. The version before knows nothing of it.
CREATE TABLE outages (
    outage_id text PRIMARY KEY,
    request jsonb NOT NULL,
    seen_at timestamptz NOT NULL DEFAULT now()
);
