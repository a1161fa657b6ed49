"""The PostgreSQL broker: queues in a database that any number of hosts share. See `broker`."""

from postroom.queues.brokers.postgres.broker import open_url
from postroom.queues.brokers.postgres.schema import migrate_url, state_of_url

__all__ = ["migrate_url", "open_url", "state_of_url"]
