#!/bin/sh
# Runs once, when PostgreSQL starts on an empty volume: roles and databases, each role at home in its own database only.
#
#   pri_owner    owns the tables; used by `pri migrate` and nobody else
#   pri_writer   what API and worker log in as; `pri migrate` grants it what it needs, and it owns nothing
#   temporal     Temporal's own two databases
set -eu

# psql reads the passwords from its environment (\getenv): everybody in the container can read command lines.
psql --set=ON_ERROR_STOP=1 --no-psqlrc --quiet --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\getenv owner_password OWNER_PASSWORD
\getenv writer_password WRITER_PASSWORD
\getenv temporal_password TEMPORAL_DB_PASSWORD

CREATE ROLE pri_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE pri_writer LOGIN PASSWORD :'writer_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';

CREATE DATABASE pri OWNER pri_owner TEMPLATE template0 ENCODING 'UTF8';
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;

REVOKE ALL ON DATABASE pri, temporal, temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE pri TO pri_writer;
SQL
