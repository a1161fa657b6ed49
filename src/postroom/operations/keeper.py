"""What goes on by itself of what operators asked for: holds end, redrives are carried on.

Runs in every process; the store decides who carries on what.
"""

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, Final

import structlog

from postroom.kit.clock import Clock
from postroom.kit.service import Service
from postroom.operations.holds import Holds
from postroom.operations.redrives import Redrives
from postroom.queues import BrokerUnavailable, QueueError, StorageFull

LOOK_SECONDS: Final = 1.0
"""How soon a hold ends after its time, and a redrive begins after it was asked for."""
REST_SECONDS_MAX: Final = 5.0
"""A slow redrive shows that it is alive at least this often, and notices that it was stopped."""


class Keeper(Service):
    """Looks every second."""

    name = "keeper"

    def __init__(self, holds: Holds, redrives: Redrives, clock: Clock) -> None:
        super().__init__()
        self._holds = holds
        self._redrives = redrives
        self._clock = clock
        self._carrying: dict[str, asyncio.Task[None]] = {}
        self._logger = structlog.get_logger("postroom.keeper")

    async def stop(self) -> None:
        """Stop looking, and finish the pages that are being moved; what remains is another's to carry on."""
        await super().stop()
        for task in self._carrying.values():
            task.cancel()
        await asyncio.gather(*self._carrying.values(), return_exceptions=True)

    async def look(self) -> None:
        """Look once."""
        for queue in await self._holds.end_due():
            self._logger.info("a hold has ended", queue=queue)
        for id_ in await self._redrives.waiting():
            if id_ not in self._carrying and await self._redrives.take(id_):
                task = asyncio.create_task(self._carry(id_), name=f"redrive:{id_}")
                self._carrying[id_] = task
                task.add_done_callback(functools.partial(self._let_go, id_))

    async def settle(self) -> None:
        """Wait until nothing is being carried on here."""
        while self._carrying:
            await asyncio.gather(*self._carrying.values(), return_exceptions=True)

    def _let_go(self, id_: str, _: asyncio.Task[None]) -> None:
        self._carrying.pop(id_, None)

    async def _carry(self, id_: str) -> None:
        try:
            # A page that was begun is finished, also when this is cancelled meanwhile.
            while (rest := await _finish(self._redrives.step(id_))) is not None:
                while rest > 0 and await self._redrives.take(id_):
                    await self._clock.sleep(min(rest, REST_SECONDS_MAX))
                    rest -= REST_SECONDS_MAX
        except BrokerUnavailable as error:
            # Taken up again once this process lets go of it.
            self._logger.warning("a redrive cannot go on now", redrive=id_, error=str(error))
        except (QueueError, StorageFull, LookupError) as error:
            await self._redrives.fail(id_, str(error))

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (BrokerUnavailable, StorageFull) as error:
                self._logger.warning("cannot look after holds and redrives", error=str(error))
            await self._clock.sleep(LOOK_SECONDS)


async def _finish(step: Coroutine[Any, Any, float | None]) -> float | None:
    act = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(act)
    except asyncio.CancelledError:
        await act
        raise
