"""Programs that tests need and the product does not: browser, PgBouncer, stripe-mock, toxiproxy, test server."""
