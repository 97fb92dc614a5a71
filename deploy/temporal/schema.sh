#!/bin/sh
# Brings Temporal's two databases to the shape of this server version. Safe to repeat; that is also how it is upgraded.
# SQL_PLUGIN, SQL_HOST, SQL_PORT, SQL_USER and SQL_PASSWORD say where.
set -eu

for pair in temporal:temporal temporal_visibility:visibility; do
    database=${pair%%:*}
    temporal-sql-tool --db "$database" setup-schema -v 0.0
    temporal-sql-tool --db "$database" update-schema --schema-name "postgresql/v12/${pair##*:}"
done
