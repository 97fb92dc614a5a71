"""The database for tests that need one."""

from tests.db.conftest import addresses, cluster, database, fresh_database, migrated

__all__ = ["addresses", "cluster", "database", "fresh_database", "migrated"]
