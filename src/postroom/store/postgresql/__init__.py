"""The application's tables in PostgreSQL; needs the `postgres` extra."""
