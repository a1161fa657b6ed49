"""From where on the index is read: what lies before was leased or is gone, as far as this process knows.

Rows that were deleted stay in the index until they are vacuumed, and while somebody holds an old snapshot that is
never; a lease that began at the index's beginning would pass over all of them each time. So it begins where the last
one ended. What may have come to lie before that (a lease that lapsed, a transaction that committed late, rows that
another process had locked) is found by a look at everything now and then, the more rarely the more it costs.
"""

import time

LOWEST = -(2**63)
LAG_US = 20_000
"""How far the bound stays behind the last message: what is committed within so long is met without a look back."""
LOOK_BACK_SECONDS = 0.02
"""At most one look back in so long while nothing is found ..."""
BUSY_SECONDS = 1.0
"""... or while messages are found."""
COST_FACTOR = 20.0
"""And none for so many times the time that the last one took."""

Bounds = tuple[int, int, int]
"""For each priority."""
EVERYTHING: Bounds = (LOWEST, LOWEST, LOWEST)


class _Place:
    __slots__ = ("bounds", "cost", "looked_at")

    def __init__(self) -> None:
        self.bounds = [LOWEST, LOWEST, LOWEST]
        self.looked_at = 0.0
        self.cost = 0.0


class Reading:
    """Where each queue is read from. Real seconds; with a given clock every look is one at everything."""

    def __init__(self, *, bounded: bool) -> None:
        self._bounded = bounded
        self._places: dict[int, _Place] = {}

    def begin(self, queue_id: int) -> Bounds:
        """Where the next lease begins: at everything when a look back is due although messages are found."""
        place = self._places.get(queue_id)
        if place is None or not self._bounded:
            return EVERYTHING
        if time.monotonic() >= place.looked_at + max(BUSY_SECONDS, place.cost * COST_FACTOR):
            return EVERYTHING
        high, normal, low = place.bounds
        return high, normal, low

    def look_back_in(self, queue_id: int) -> float:
        """In how many seconds it may be looked at everything because nothing was found; 0 for now."""
        place = self._places.get(queue_id)
        if place is None:
            return 0.0
        return max(0.0, place.looked_at + max(LOOK_BACK_SECONDS, place.cost * COST_FACTOR) - time.monotonic())

    def looked(self, queue_id: int, seconds: float) -> None:
        """It was looked at everything, which took so long."""
        place = self._places.setdefault(queue_id, _Place())
        place.looked_at, place.cost = time.monotonic(), seconds

    def took(self, queue_id: int, last: Bounds) -> None:
        """All were taken that are due up to these moments, for each priority."""
        bounds = self._places.setdefault(queue_id, _Place()).bounds
        for priority, due_us in enumerate(last):
            bounds[priority] = max(bounds[priority], due_us - LAG_US)

    def returned(self, queue_id: int) -> None:
        """Something came back to its place: look at everything next."""
        place = self._places.get(queue_id)
        if place is not None:
            place.looked_at = 0.0
            place.cost = 0.0
