"""The PostgreSQL broker: queues in a database that any number of hosts share. See `broker`."""

from postroom.queues.brokers.postgres.broker import open_url

__all__ = ["open_url"]
