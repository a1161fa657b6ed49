"""Waiting for a condition with a deadline: the only way these tests wait."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_SECONDS = 0.005
"""Pause between two looks at a condition."""
PATIENCE_SECONDS = 20.0
"""How long to wait unless told otherwise: what should take milliseconds may take seconds on a busy machine."""


class OutOfPatience(AssertionError):
    """The condition did not come true in time."""


async def until(
    condition: Callable[[], T | Awaitable[T]], what: str, *, within: float = PATIENCE_SECONDS
) -> T:
    """Look again and again until the condition is true, and return what it returned.

    Raises OutOfPatience with `what` and what was seen last.
    """
    deadline = time.monotonic() + within
    while True:
        seen = condition()
        if inspect.isawaitable(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise OutOfPatience(f"not within {within:g} s: {what} (last seen: {seen!r})")
        await asyncio.sleep(LOOK_SECONDS)
