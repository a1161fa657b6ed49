"""Wake-ups inside one process: who waits for a queue is told that something may have changed there."""

import asyncio

from postroom.kit.clock import MICROSECOND, Clock


class Signals:
    """A version number for each queue, and those who wait for it to move."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._versions: dict[str, int] = {}
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether anyone waits."""
        return any(self._waiting.values())

    def version(self, queue: str) -> int:
        """What to hand to `wait` so that nothing is missed in between."""
        return self._versions.get(queue, 0)

    def changed(self, queue: str) -> None:
        """Something may be there: wake those who wait for the queue."""
        self._versions[queue] = self._versions.get(queue, 0) + 1
        for future in self._waiting.get(queue, ()):
            _wake(future)

    def changed_all(self) -> None:
        """Something may be anywhere."""
        for queue in list(self._waiting | self._versions):
            self.changed(queue)

    def close(self) -> None:
        """Wake everyone for good."""
        self._closed = True
        self.changed_all()

    async def wait(self, queue: str, *, version: int, until_us: int | None) -> None:
        """Return when the queue's version differs, at a moment of the clock, or when closed."""
        if self._closed or self.version(queue) != version:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(queue, set())
        waiting.add(future)
        timer = None
        if until_us is not None:
            delay = (until_us - self._clock.now_us()) / MICROSECOND
            timer = self._clock.call_later(delay, lambda: _wake(future))
        try:
            await future
        finally:
            waiting.discard(future)
            if timer is not None:
                timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
