"""Moments of the store as the API shows them."""

from datetime import datetime

from postroom.kit.clock import to_datetime


def moment(moment_us: int | None) -> datetime | None:
    """The aware UTC datetime of a moment in microseconds, or None for None."""
    return None if moment_us is None else to_datetime(moment_us)
