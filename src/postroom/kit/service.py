"""Everything that loops is a `Service`: a named task with a start, a stop and a stated reaction to crashing."""

import asyncio
import contextlib


class Service:
    """A loop in a task of its own.

    Subclasses write `_run`. When it raises, the failure is kept and `wait` raises it; nothing is restarted
    in silence. `stop` cancels the task and waits for its clean-up.
    """

    name = "service"

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether the loop has started and not ended."""
        return self._task is not None and not self._task.done()

    async def start(self) -> None:
        """Start the loop; a second start while it runs changes nothing."""
        if not self.running:
            self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Cancel the loop and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def wait(self) -> None:
        """Wait until the loop ends by itself; raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    async def _run(self) -> None:
        raise NotImplementedError
