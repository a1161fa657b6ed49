"""How long to wait before trying again."""

import random


def exponential(attempt: int, *, base_seconds: float, ceiling_seconds: float, jitter: float = 0.0) -> float:
    """Seconds before the next try: `base_seconds * 2**attempt`, at most the ceiling, spread by ±jitter.

    `attempt` counts from 0. `jitter` is a share from 0 (none) to 1; 0.1 spreads over 90 % to 110 %,
    so that many failures at one moment do not come back at one moment.
    """
    delay = min(ceiling_seconds, base_seconds * 2.0 ** min(attempt, 62))
    return delay * random.uniform(1 - jitter, 1 + jitter) if jitter else delay
