-- What waits and is of use only for a time (services/notifier/ledger/notices.py), and what was written last.
ALTER TABLE operations ADD COLUMN notice_at timestamptz; -- when a notice was asked for; null: no notice, or asked for again
CREATE INDEX operations_notices ON operations (notice_at) WHERE state = 'queued' AND notice_at IS NOT NULL;
CREATE INDEX operations_latest ON operations (line) WHERE state IN ('queued', 'sending');
