-- What is old is found without reading whole tables (services/notifier/retention.py).
CREATE INDEX deliveries_created ON deliveries USING brin (created_at);
