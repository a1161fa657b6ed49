"""A load for a fleet: jobs posted to its APIs in turn, at a rate, and how long the answers took."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Sequence
from typing import Final

import httpx

IN_FLIGHT: Final = 32
RECENT: Final = 2000


class Load:
    """Posts jobs; `sent` were accepted, `failed` were not (and may be stored all the same)."""

    def __init__(self, urls: Sequence[str], rate: float, run: str) -> None:
        self.sent = 0
        self.failed = 0
        self.took: deque[float] = deque(maxlen=RECENT)
        """Seconds of the last answers."""
        self._urls = itertools.cycle(urls)
        self._rate = rate
        self._run = run
        self._free = asyncio.Semaphore(IN_FLIGHT)

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop`, then wait for the last answers."""
        began, number = time.monotonic(), 0
        async with httpx.AsyncClient(timeout=30) as client, asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                await self._free.acquire()
                tasks.create_task(self._post(client, number))
                number += 1
                ahead = began + number / self._rate - time.monotonic()
                if ahead > 0:
                    await asyncio.sleep(ahead)

    def percentile(self, part: float) -> float:
        """Milliseconds that such a part of the last answers took at most."""
        took = sorted(self.took)
        return 1000 * took[min(len(took) - 1, int(part * len(took)))] if took else 0.0

    async def _post(self, client: httpx.AsyncClient, number: int) -> None:
        body = {
            "type": "email_send", "messageId": f"fleet-{self._run}-{number}", "recipient": "someone@example.com",
            "subject": "A fleet", "content": f"Message {number}.", "priority": ("high", "normal", "low")[number % 3],
        }  # fmt: skip
        began = time.perf_counter()
        try:
            answer = await client.post(f"{next(self._urls)}/api/enqueue-job", json=body)
            if answer.is_success:
                self.sent += 1
            else:
                self.failed += 1
        except httpx.HTTPError:
            self.failed += 1
        finally:
            self.took.append(time.perf_counter() - began)
            self._free.release()
