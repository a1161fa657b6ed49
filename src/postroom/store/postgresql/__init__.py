"""The application's tables in PostgreSQL; needs the `postgresql` extra."""
