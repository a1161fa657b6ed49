"""How long things are kept: the targets of `cleanup`, and the least and the usual age of what it may delete."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from postroom.kit.clock import MICROSECOND

DAY_US: Final = 86_400 * MICROSECOND


class Policy(NamedTuple):
    """Of one target."""

    days: float
    """What the nightly cleanup deletes is older."""
    days_min: float
    """Nothing younger may be deleted, whoever asks."""
    archived: bool
    """Whether rows are archived before they are deleted."""


POLICIES: Final[Mapping[str, Policy]] = {
    # Six years: 45 CFR 164.316(b)(2)(i).
    "audit_logs": Policy(2191, 2191, archived=True),
    "message_queue": Policy(90, 1 / 24, archived=True),
    "webhook_events": Policy(30, 1, archived=True),
    "temp_files": Policy(1, 0, archived=False),
    "exports": Policy(0, 0, archived=False),
    "idempotency_keys": Policy(2, 1, archived=False),
    "queue_messages": Policy(0, 0, archived=False),
}


def with_days(given: Mapping[str, float]) -> dict[str, Policy]:
    """The policies with days of one's own; raises ValueError for an unknown target or for less than its least age."""
    made = dict(POLICIES)
    for target, days in given.items():
        if target not in made:
            raise ValueError(f"{target} is no target; known: {', '.join(made)}")
        if days < made[target].days_min:
            raise ValueError(f"{target} must be kept for {made[target].days_min:g} days or more")
        made[target] = made[target]._replace(days=days)
    return made
