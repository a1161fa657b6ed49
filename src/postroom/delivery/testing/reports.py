"""A double's callbacks, posted as its vendor would on a bad day: late, twice, out of order, before its own answer.

Owns the posting. What a callback looks like and how it is signed is the double's business.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from postroom.delivery.http import HttpClient, Loss

TRIES: Final = 5
"""How often a callback is posted while the receiver answers 5xx or not at all."""
PAUSE_SECONDS: Final = 0.05
LOST: Final = 0
"""Stands for an answer that did not come."""

Report: TypeAlias = str | tuple[str, Mapping[str, Any]]
"""A status in the vendor's own words, perhaps with what else its callback tells: `("undelivered", {"error": 30005})`."""


class Callback(NamedTuple):
    """A request as the vendor would post it, signed."""

    url: str
    headers: dict[str, str]
    body: bytes


class Reports(NamedTuple):
    """What a double reports of every message that it takes, and how."""

    statuses: tuple[Report, ...]
    twice: bool = False
    """Each callback is posted two times."""
    backwards: bool = False
    """The last one comes first."""
    early: bool = False
    """Before the call is answered, so that the caller does not know the vendor's id yet."""
    late_seconds: float = 0.0
    """How long after the call."""
    through: str | None = None
    """Scheme, host and port that are really called, where the signed URL is one that nobody here answers."""

    def in_order(self, callbacks: list[Callback]) -> list[Callback]:
        """The callbacks as they are to be posted."""
        ordered = callbacks[::-1] if self.backwards else callbacks
        return [one for one in ordered for _ in range(2 if self.twice else 1)]


class Postman:
    """Posts callbacks; `answers` has the status of each in the order in which they were answered, 0 for none."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self._client = HttpClient()
        self._under_way: set[asyncio.Task[None]] = set()

    async def post(self, callback: Callback, *, through: str | None = None) -> int:
        """One callback, again after 5xx; the status of its last answer."""
        url = _through(callback.url, through)
        await self._client.open()
        for attempt in range(TRIES):
            await asyncio.sleep(PAUSE_SECONDS * attempt)
            reply = await self._client.call("POST", url, headers=callback.headers, content=callback.body)
            status = LOST if isinstance(reply, Loss) else reply.status
            if status != LOST and status < 500:
                break
        self.answers.append(status)
        return status

    async def deliver(self, callbacks: list[Callback], reports: Reports) -> None:
        """All of them, one after the other."""
        await asyncio.sleep(reports.late_seconds)
        for callback in reports.in_order(callbacks):
            await self.post(callback, through=reports.through)

    def begin(self, callbacks: list[Callback], reports: Reports) -> None:
        """The same, beside whatever else goes on."""
        task = asyncio.create_task(self.deliver(callbacks, reports), name="callbacks")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def done(self) -> None:
        """Wait until everything that was begun has been posted."""
        await asyncio.gather(*self._under_way)

    async def close(self) -> None:
        """Post nothing more."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.close()


def _through(url: str, through: str | None) -> str:
    if through is None:
        return url
    real = urlsplit(through)
    return urlunsplit(urlsplit(url)._replace(scheme=real.scheme, netloc=real.netloc))
