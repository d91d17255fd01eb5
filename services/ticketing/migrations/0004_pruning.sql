-- What is old is found without reading whole tables (services/ticketing/retention.py).
CREATE INDEX revisions_replaced ON revisions USING brin (replaced_at);
