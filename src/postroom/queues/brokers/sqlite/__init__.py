"""The embedded broker: one SQLite file, shared by the processes of one machine. See `broker`."""

from postroom.queues.brokers.sqlite.broker import SqliteBroker, open_url

__all__ = ["SqliteBroker", "open_url"]
