"""What an export may be asked for: the filters of an `export_generation` job, checked."""

import difflib
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from postroom.jobs.outcome import PermanentError
from postroom.kit.clock import to_us

FAR_FUTURE_US: Final = 1 << 62

KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "audit_log": ("startDate", "endDate", "actor", "action"),
    "messages": ("startDate", "endDate", "status", "channel"),
}
"""Dataset to its filters; `dataset` itself chooses one and is `audit_log` when it is left out."""


class Filters(NamedTuple):
    """A checked selection."""

    dataset: str
    values: dict[str, Any]
    """What the dataset's query takes."""


def read_filters(given: Mapping[str, Any]) -> Filters:
    """The selection that the filters describe; raises PermanentError that lists the known names."""
    dataset = given.get("dataset", "audit_log")
    if dataset not in KNOWN:
        raise PermanentError(f"unknown export dataset; known: {', '.join(KNOWN)}", code="export_filter")
    known = KNOWN[dataset]
    for name in given:
        if name != "dataset" and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise PermanentError(
                f"unknown filter for {dataset}{hint} (known: {', '.join(('dataset', *known))})",
                code="export_filter",
            )
    values: dict[str, Any] = {name: _text(name, given.get(name)) for name in known[2:]}
    values["from_us"] = _moment("startDate", given.get("startDate"), 0)
    values["until_us"] = _moment("endDate", given.get("endDate"), 1) or FAR_FUTURE_US
    return Filters(dataset, values)


def _text(name: str, value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise PermanentError(f"filter {name} must be a text", code="export_filter")


def _moment(name: str, value: object, days: int) -> int:
    """Microseconds; a plain date is midnight UTC, or for an end the midnight after it."""
    if value is None:
        return 0
    problem = PermanentError(
        f"filter {name} must be an ISO 8601 date or a moment with time zone, for example 2026-01-31 or "
        "2026-01-31T09:00:00Z", code="export_filter",
    )  # fmt: skip
    if not isinstance(value, str):
        raise problem
    try:
        day = date.fromisoformat(value)
    except ValueError:
        pass
    else:
        return to_us(datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=days))
    try:
        return to_us(datetime.fromisoformat(value))
    except ValueError:
        raise problem from None
