"""NOTIFY, at a bounded rate: others are told that a queue has something, not how often.

A commit that notifies takes one lock of the whole server, so it never is the senders' own commit, and there are few.
The last send of a burst is always followed by a hint. A hint that is lost costs the others a look (`listening`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

INTERVAL_SECONDS = 0.005
"""At most one hint of this process in so long."""


class Hints:
    """For one event loop."""

    def __init__(self, notify: Callable[[Sequence[str]], Awaitable[None]]) -> None:
        """`notify` tells the others of some queues; it may fail without harm."""
        self._notify = notify
        self._owed: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def tell(self, queue: str) -> None:
        """Tell the others soon."""
        self._owed.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work(), name="postgres-hints")

    async def close(self) -> None:
        """Tell what is owed, then end."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        while self._owed:
            owed, self._owed = self._owed, set()
            await self._notify(sorted(owed))
            await asyncio.sleep(INTERVAL_SECONDS)
