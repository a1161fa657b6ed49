"""The tables of the queues themselves: how far they are, and what brings them up to date.

Opening a broker applies every step that old processes survive (`pre`). Steps that take something away (`post`) wait
until somebody says that no old process is left: `await migrate(url, post=True)`.
"""

from typing import Any, NamedTuple

from postroom.queues.connect import module_of


class SchemaStatus(NamedTuple):
    """How far the tables of the queues behind a URL are."""

    version: int
    """Number of the last step that was applied; 0 for none, and where the broker has no steps."""
    pre: tuple[str, ...]
    """Steps not applied yet that old processes survive; opening the broker applies them."""
    post: tuple[str, ...]
    """Steps from the first one on that must wait until no old process is left."""
    newer: bool
    """Whether a newer Postroom has been here, whose steps this one can live with."""


async def schema_status(url: str) -> SchemaStatus:
    """How far the tables behind a URL are; raises ConfigurationError, BrokerUnavailable."""
    state_of_url: Any = getattr(module_of(url), "state_of_url", None)
    if state_of_url is None:
        return SchemaStatus(0, (), (), False)
    found = await state_of_url(url)
    steps = list(found.pending)
    # A step never comes before those in front of it; an empty database gets all of them at once.
    wait = (
        next((index for index, step in enumerate(steps) if step.post), len(steps))
        if found.version
        else len(steps)
    )
    names = tuple(step.name for step in steps)
    return SchemaStatus(found.version, names[:wait], names[wait:], found.newer)


async def migrate(url: str, *, post: bool = False) -> list[str]:
    """Bring the tables behind a URL up to date; returns the names of the steps that were applied.

    `post`: also what old processes do not survive; say so only when none is left. Brokers without steps of their own
    have nothing to do. Raises ConfigurationError, BrokerUnavailable.
    """
    migrate_url: Any = getattr(module_of(url), "migrate_url", None)
    applied: list[str] = [] if migrate_url is None else await migrate_url(url, post=post)
    return applied
