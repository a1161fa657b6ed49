"""Who may use which session: at most so many at a time, the most recently used first.

Owns the count and the idle sessions. It opens none itself and knows nothing of mail.
"""

import asyncio
from typing import Final

from postroom.delivery.providers.smtp.session import Session
from postroom.kit.clock import Clock, Timer

LEAVE_SECONDS: Final = 5.0
"""How long `close` waits for connections to end before it cuts them off."""


class Pool:
    """A bound on sessions in use, and a stack of idle ones.

    Whoever holds `turn` may hold one session; turns are given in the order in which they were asked for.
    """

    def __init__(self, size: int, *, max_age_seconds: float, clock: Clock) -> None:
        self.turn = asyncio.Semaphore(size)
        self._max_age_seconds = max_age_seconds
        self._clock = clock
        self._sweep_timer: Timer | None = None
        self._idle: list[Session] = []
        self._leaving: set[asyncio.Future[None]] = set()
        self._closed = False

    def take(self) -> Session | None:
        """The most recently used session that is still usable; None if a new one has to be opened."""
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            self.retire(session)
        return None

    def put(self, session: Session) -> None:
        """Take a session back after use, for the next one if it is usable."""
        if not session.usable or self._closed:
            self.retire(session)
            return
        self._idle.append(session)
        if self._sweep_timer is None:
            self._sweep_timer = self._clock.call_later(self._max_age_seconds, self._sweep)

    def retire(self, session: Session) -> None:
        """Part with a session; `close` waits until it has ended."""
        ended = session.wire.closed
        session.quit()
        if not ended.done():
            self._leaving.add(ended)
            ended.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Part with all idle sessions, now and later, and wait until they have ended."""
        self._closed = True
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        while self._idle:
            self.retire(self._idle.pop())
        if self._leaving:
            await asyncio.wait(set(self._leaving), timeout=LEAVE_SECONDS)

    def _sweep(self) -> None:
        """Part with idle sessions that have grown too old, so that a relay's lines are not held for nothing."""
        self._sweep_timer = None
        idle, self._idle = self._idle, []
        for session in idle:
            self.put(session)
