-- What is old is found without reading whole tables (services/ticketing/retention.py).
CREATE INDEX revisions_replaced ON revisions USING brin (replaced_at);
CREATE INDEX early_changes_arrived ON early_changes USING brin (arrived_at);
