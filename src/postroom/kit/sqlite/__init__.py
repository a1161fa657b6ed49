"""One SQLite file, many writers: grouped durable commits, fair turns between processes, prompt wake-ups.

`writer` owns the write connection and the thread behind it, `operation` is what it performs, `turn` the queue of
processes before the file, `peers` the wake-ups between processes, `connection` the pragmas and the translation of
errors.
"""

from postroom.kit.sqlite.connection import (
    MOVED,
    StoreBusy,
    StoreFailed,
    StoreFull,
    StoreMoved,
    connect_reader,
    connect_writer,
)
from postroom.kit.sqlite.operation import Operation
from postroom.kit.sqlite.peers import Peers
from postroom.kit.sqlite.writer import SqliteWriter

__all__ = [
    "MOVED",
    "Operation",
    "Peers",
    "SqliteWriter",
    "StoreBusy",
    "StoreFailed",
    "StoreFull",
    "StoreMoved",
    "connect_reader",
    "connect_writer",
]
