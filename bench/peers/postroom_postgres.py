"""Postroom on PostgreSQL, as its users run it: one process that consumes."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from bench.peers import peer, postroom_sqlite, servers
from postroom.queues import connect


class Postroom(postroom_sqlite.Postroom):
    """Sends and consumes in one database."""

    @contextlib.contextmanager
    def opened(self, folder: Path) -> Iterator[None]:
        """Start PostgreSQL and connect."""
        with servers.postgres(folder) as self.store:
            queues = connect(self.store)
            self.run(queues.open())
            self.run(queues.create(postroom_sqlite.QUEUE))
            self.queue = queues[postroom_sqlite.QUEUE]
            yield
            self.run(queues.close())


def make() -> peer.Peer:
    """The peer that is us."""
    return Postroom()
