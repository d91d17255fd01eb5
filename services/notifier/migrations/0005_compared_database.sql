-- The one database that a process has compared with the log (chassis/compared.py). A backup that is brought
-- back has another server start, another database, or a row that another transaction wrote.
CREATE TABLE compared_database (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    server_started_at timestamptz NOT NULL,
    database_oid oid NOT NULL,
    written_by xid NOT NULL,
    compared_at timestamptz NOT NULL
);
