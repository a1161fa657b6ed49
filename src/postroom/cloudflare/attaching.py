"""Keeps the Python consumers of a process as the API says: their settings, and whether they take messages at all."""

import contextlib
from typing import Final

from postroom.cloudflare.catalogue import id_of
from postroom.cloudflare.consumers import WORKER, Consumers
from postroom.kit.service import Service
from postroom.queues import BrokerError, ConsumerOptions, QueueNotFound, Queues
from postroom.store import Store

LOOK_SECONDS: Final = 2.0
"""How long it takes at most until a change by another process holds."""


class Attaching(Service):
    """Looks into the table now and then; `apply` does so at once."""

    name = "attaching"

    def __init__(self, store: Store, queues: Queues) -> None:
        super().__init__()
        self._store = store
        self._queues = queues
        self._declared: dict[str, ConsumerOptions] = {}
        """As the code says, of those that the API has changed."""

    async def apply(self) -> None:
        """Bring every consumer of this process in line."""
        said = await self._store.read(Consumers().all)
        if not said and not self._declared:
            return
        for consumer in self._queues.consumers:
            name = consumer.options.queue
            try:
                found = said.get(id_of(await self._queues.info(name)))
            except QueueNotFound:
                continue
            if found is None:
                before = self._declared.pop(name, None)
                if before is not None:
                    self._queues.configure(name, before)
                consumer.hold(False)
                continue
            self._declared.setdefault(name, consumer.options)
            if found.kind == WORKER and found.options != consumer.options:
                self._queues.configure(name, found.options)
            consumer.hold(found.kind != WORKER)

    async def _run(self) -> None:
        while True:
            # A store that does not answer is told of by those who work with it.
            with contextlib.suppress(BrokerError):
                await self.apply()
            await self._store.clock.sleep(LOOK_SECONDS)
