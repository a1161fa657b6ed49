"""Moments of the store as the API shows them, and as its parameters name them."""

from datetime import datetime

import msgspec

from postroom.jobs.models import Moment
from postroom.kit.clock import to_datetime, to_us
from postroom.web.paging import parameter_invalid


def moment(moment_us: int | None) -> datetime | None:
    """The aware UTC datetime of a moment in microseconds, or None for None."""
    return None if moment_us is None else to_datetime(moment_us)


def read_moment(name: str, given: str | None, default: int) -> int:
    """A parameter as microseconds, `default` when it is left out; raises Refusal."""
    if given is None:
        return default
    try:
        return to_us(msgspec.convert(given, Moment))
    except (msgspec.ValidationError, ValueError):
        raise parameter_invalid(name, "must be a date and time with an offset (RFC 3339)") from None
