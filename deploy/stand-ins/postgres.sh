#!/bin/bash
# What the image postgres does with its environment, as far as compose.yaml uses it: a new data folder is laid out for
# POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, and the server runs in the foreground as this very process.
set -euo pipefail
export PGDATA=/var/lib/postgresql/data
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  initdb --username "$POSTGRES_USER" --pwfile <(printf '%s\n' "${POSTGRES_PASSWORD:?}") --auth-local trust --auth-host scram-sha-256 --encoding UTF8 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl --wait --silent --options "-c listen_addresses=" start
  createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --wait --silent --mode fast stop
fi
exec postgres -c listen_addresses='*'
