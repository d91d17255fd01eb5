-- Deliveries that the ledger doesn't have any more and that receipts were issued of all the same.
CREATE TABLE forgotten (
    delivery_id text PRIMARY KEY,
    version integer NOT NULL, -- of the last receipt
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX forgotten_age ON forgotten USING brin (at);
