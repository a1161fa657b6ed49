"""Bringing dead letters back: chosen by a filter, counted beforehand if asked, at a steady rate."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from postroom.kit.clock import Clock, to_us
from postroom.kit.events import Events
from postroom.queues.broker import Browsed, FullBroker
from postroom.queues.errors import ConfigurationError
from postroom.queues.events import MessagesRedriven
from postroom.queues.message import DeadLettered, read_metadata

PAGE = 100
"""Messages looked at, and at most moved, in one act."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters; every condition that is given must hold."""

    ids: frozenset[str] | None = None
    queue: str | None = None
    """The queue they failed on."""
    reason: str | None = None
    """A part of their reason, or of the code that their details give for it, upper and lower case alike.

    The code is `details["code"]`, or that of the last of `details["attempts"]`."""
    dead_since: datetime | None = None
    """Moved to the dead-letter queue at or after this moment."""
    dead_before: datetime | None = None

    def accepts(self, message: Browsed) -> bool:
        """Whether a message is among them."""
        dead = read_metadata(message.meta).dead
        if self.ids is not None and message.id not in self.ids:
            return False
        if dead is None:
            return (
                self.queue is None
                and self.reason is None
                and self.dead_since is None
                and self.dead_before is None
            )
        return (
            (self.queue is None or dead.queue == self.queue)
            and (self.reason is None or _has(dead, self.reason.casefold()))
            and (self.dead_since is None or dead.at_us >= to_us(self.dead_since))
            and (self.dead_before is None or dead.at_us < to_us(self.dead_before))
        )


def _has(dead: DeadLettered, part: str) -> bool:
    return part in dead.reason.casefold() or part in _code(dead.details).casefold()


def _code(details: Any) -> str:
    """The code of a failure, where its handler told one; the details are of its own making."""
    if not isinstance(details, dict):
        return ""
    attempts = details.get("attempts")
    last = attempts[-1] if isinstance(attempts, list) and attempts else None
    code = details.get("code") or (last.get("code") if isinstance(last, dict) else None)
    return str(code) if isinstance(code, str | int) else ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A redrive that has been asked for."""

    source: str
    to: str | None
    matching: Filter
    rate: float | None
    """Messages a second; None for as fast as the store goes."""

    def __post_init__(self) -> None:
        if self.rate is not None and not self.rate > 0:
            raise ConfigurationError.out_of_range("rate", self.rate, "more than 0 messages a second")
        if self.to == self.source:
            raise ConfigurationError.out_of_range("to", self.to, "a queue other than the one being redriven")


class Redriven(msgspec.Struct, frozen=True, kw_only=True):
    """What a redrive did, or would do."""

    matched: int
    moved: int
    targets: dict[str, int]
    """Target queue to how many of the matching ones go there."""
    unroutable: int
    """Matching messages whose origin is unknown or this queue itself; name a target with `to`."""


class Tally:
    """How many have been moved so far: right also after a redrive that failed or was cancelled."""

    def __init__(self) -> None:
        self.moved = 0


async def run(
    broker: FullBroker,
    plan: Plan,
    *,
    dry_run: bool,
    clock: Clock,
    events: Events,
    progress: Callable[[int], object] | None = None,
) -> Redriven:
    """Carry out a plan, page by page; what is there when it starts is looked at once.

    `progress` is called after each act with the number moved so far. What has been moved is announced also when
    the rest is cancelled or fails.
    """
    tally = Tally()
    try:
        return await _run(broker, plan, tally, dry_run=dry_run, clock=clock, progress=progress)
    finally:
        if tally.moved:
            events.emit(MessagesRedriven(queue=plan.source, count=tally.moved))


async def _run(
    broker: FullBroker,
    plan: Plan,
    tally: Tally,
    *,
    dry_run: bool,
    clock: Clock,
    progress: Callable[[int], object] | None,
) -> Redriven:
    page = PAGE if plan.rate is None else max(1, min(PAGE, int(plan.rate)))
    # Dead letters that arrive while this runs (a redriven message may fail again) are left for another time.
    # Those of the very microsecond in which it starts are told apart by their ids.
    last, first_moved = clock.now_us(), set[str]()
    if plan.to is not None:
        await broker.info(plan.to)
    matched = unroutable = 0
    targets: dict[str, int] = {}
    after: Any = None
    while browsed := await broker.browse(plan.source, after=after, limit=PAGE):
        after = browsed[-1].key
        moves: list[tuple[Any, str]] = []
        for message in browsed:
            dead = read_metadata(message.meta).dead
            if (
                message.leased
                or (dead is not None and dead.at_us > last)
                or message.id in first_moved
                or not plan.matching.accepts(message)
            ):
                continue
            matched += 1
            target = plan.to or (dead.queue if dead is not None else None)
            # What was redriven to this very queue still tells that it once failed here; moving it would not end.
            if target is None or target == plan.source:
                unroutable += 1
                continue
            targets[target] = targets.get(target, 0) + 1
            moves.append((message.key, target))
            if not dry_run and clock.now_us() == last:
                first_moved.add(message.id)
        if dry_run:
            continue
        for start in range(0, len(moves), page):
            part = moves[start : start + page]
            await _transfer(broker, plan.source, part, tally, progress)
            if plan.rate is not None:
                await clock.sleep(len(part) / plan.rate)
    return Redriven(matched=matched, moved=tally.moved, targets=targets, unroutable=unroutable)


async def _transfer(
    broker: FullBroker,
    source: str,
    moves: Sequence[tuple[Any, str]],
    tally: Tally,
    progress: Callable[[int], object] | None,
) -> None:
    """One act. If it was begun it is finished and counted, also when it is cancelled meanwhile."""
    act = asyncio.ensure_future(broker.transfer(source, moves))
    cancelled: asyncio.CancelledError | None = None
    try:
        await asyncio.shield(act)
    except asyncio.CancelledError as error:
        cancelled = error
    tally.moved += await act
    if progress is not None:
        progress(tally.moved)
    if cancelled is not None:
        raise cancelled
