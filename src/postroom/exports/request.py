"""What an export is asked for, checked: dataset, filters, columns, format, compression.

A name that is not known is refused with the list of those that are: a filter that is misspelt must not select everything.
Nothing here keeps a recipient: one that is filtered by becomes its reference.
"""

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from postroom.exports.datasets import DATASETS, Column, Dataset
from postroom.jobs.models import ExportJob
from postroom.jobs.outcome import PermanentError
from postroom.kit.clock import to_us

FAR_FUTURE_US: Final = 1 << 62
DATASET_DEFAULT: Final = "audit_log"
DATES: Final = ("startDate", "endDate")
RECIPIENT: Final = "recipient"


class RequestInvalid(PermanentError):
    """An export was asked for that there cannot be; `field` is what was wrong. The text quotes no value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}", code="export_request")
        self.field = field
        self.said = reason


class Plan(NamedTuple):
    """A checked export."""

    name: str
    """The dataset's."""
    columns: tuple[Column, ...]
    where: str
    """SQL of the filters."""
    values: dict[str, Any]
    """What the SQL takes."""
    shown: dict[str, Any]
    """The filters as they may be shown and recorded."""
    format: str
    compression: str

    @property
    def dataset(self) -> Dataset:
        """What is read."""
        return DATASETS[self.name]

    @property
    def suffix(self) -> str:
        """How the file's name ends."""
        return f".{self.format}{'.gz' if self.compression == 'gzip' else ''}"


def read_request(job: ExportJob, index: Callable[[str], str]) -> Plan:
    """The plan of a job; `index` makes a recipient's reference. Raises RequestInvalid."""
    name = job.filters.get("dataset", DATASET_DEFAULT)
    if name not in DATASETS:
        raise _unknown("filters.dataset", "dataset", name, DATASETS)
    dataset = DATASETS[name]
    shown: dict[str, Any] = {}
    values: dict[str, Any] = {"from_us": 0, "until_us": FAR_FUTURE_US}
    parts = []
    for field, given in job.filters.items():
        if field == "dataset" or given is None:
            continue
        if field not in dataset.filters and field not in DATES:
            raise _unknown(
                f"filters.{field}", f"filter for {name}", field, ("dataset", *DATES, *dataset.filters)
            )
        if field in DATES:
            end = field == "endDate"
            values["until_us" if end else "from_us"] = _moment(field, given, 1 if end else 0)
            shown[field] = given
            continue
        if not isinstance(given, str) or not given:
            raise RequestInvalid(f"filters.{field}", "must be a text")
        value = index(given) if field == RECIPIENT else given
        shown["recipientRef" if field == RECIPIENT else field] = value
        values[field] = value
        parts.append(f"{dataset.filters[field]} = :{field}")
    if any(field in values for field in ("from_us", "until_us")) and set(DATES) & set(shown):
        parts.append(f"{dataset.moment} >= :from_us AND {dataset.moment} < :until_us")
    if job.format == "parquet" and job.compression != "none":
        raise RequestInvalid("compression", "must be none for parquet, which compresses by itself")
    where = "".join(f" AND {part}" for part in parts)
    return Plan(name, _choose(dataset, job.columns), where, values, shown, job.format, job.compression)


def _choose(dataset: Dataset, wanted: Sequence[str] | None) -> tuple[Column, ...]:
    if wanted is None:
        return dataset.columns
    known = {column.name: column for column in dataset.columns}
    for name in wanted:
        if name not in known:
            raise _unknown("columns", "column", name, known)
    if not wanted or len(set(wanted)) < len(wanted):
        raise RequestInvalid("columns", "must name one column or more, each once")
    return tuple(known[name] for name in wanted)


def _unknown(
    field: str, what: str, given: object, known: Mapping[str, Any] | Sequence[str]
) -> RequestInvalid:
    near = difflib.get_close_matches(str(given), list(known), 1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return RequestInvalid(field, f"is no {what} that is known{hint} (known: {', '.join(known)})")


def _moment(name: str, value: object, days: int) -> int:
    """Microseconds; a plain date is midnight UTC, or for an end the midnight after it."""
    problem = RequestInvalid(
        f"filters.{name}",
        "must be an ISO 8601 date or a moment with time zone, for example 2026-01-31 or 2026-01-31T09:00:00Z",
    )
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
