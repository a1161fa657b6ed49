"""Groups: what many callers ask for at the same moment is asked of the server at once.

While one group is on its way the next one gathers, so groups grow with the load by themselves and a lone caller
waits for nobody.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

from postroom.kit.clock import Clock
from postroom.queues.errors import BrokerUnavailable

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouping(Generic[Item, Result]):
    """Carries out items in groups, at most `width` groups at a time. For one event loop."""

    def __init__(
        self,
        carry_out: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        clock: Clock,
        *,
        width: int,
        size: int,
        weigh: Callable[[Item], int] = lambda item: 1,
    ) -> None:
        """`carry_out` answers each item with its result or its error; what it raises concerns all of them.

        `size` bounds the weight of a group; a heavier item goes alone.
        """
        self._carry_out = carry_out
        self._clock = clock
        self._width = width
        self._size = size
        self._weigh = weigh
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._planned = False

    def submit(self, item: Item) -> "asyncio.Future[Result]":
        """Have it carried out; the future is done when its group is."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        future.add_done_callback(_done(self._clock.hold()))
        self._waiting.append((item, future))
        if not self._planned and len(self._running) < self._width:
            # At the end of this pass of the loop, so that what else it submits joins the group.
            self._planned = True
            loop.call_soon(self._begin)
        return future

    async def finish(self) -> None:
        """Wait until nothing is on its way or waiting."""
        while self._running or self._waiting:
            if self._running:
                await asyncio.wait(self._running)
            else:
                await asyncio.sleep(0)

    def _begin(self) -> None:
        self._planned = False
        while self._waiting and len(self._running) < self._width:
            task = asyncio.create_task(self._run(self._take()), name="postgres-group")
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        group = [self._waiting.popleft()]
        weight = self._weigh(group[0][0])
        while self._waiting:
            weight += self._weigh(self._waiting[0][0])
            if weight > self._size:
                break
            group.append(self._waiting.popleft())
        return group

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not self._planned:
            self._begin()

    async def _run(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._carry_out([item for item, _ in group])
        except Exception as error:
            if len(group) == 1 or isinstance(error, BrokerUnavailable):
                # Without the server none fares better alone, and what may have been stored must not be stored again.
                for _, future in group:
                    _fail(future, error)
                return
            # One bad item must not fail its neighbours.
            for one in group:
                await self._run([one])
            return
        except BaseException as error:
            for _, future in group:
                _fail(future, error)
            raise
        for (_, future), result in zip(group, results, strict=True):
            if isinstance(result, Exception):
                _fail(future, result)
            elif not future.done():
                future.set_result(result)


def _fail(future: "asyncio.Future[Any]", error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)


def _done(release: Callable[[], None]) -> Callable[[object], None]:
    return lambda _: release()
