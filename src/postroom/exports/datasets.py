"""What can be exported: datasets with their columns, and how each is read in SQL.

A dataset is read in windows of its key, which only grows, within one snapshot. Moments are ISO 8601 in UTC, recipients
are masked and have a reference (their blind index) by which rows of one person can be found without naming them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """What a column holds, which decides how it is written."""

    PLAIN = "plain"
    """Our own words, numbers in text and digests: never begins a formula."""
    TEXT = "text"
    """Others' words."""
    NUMBER = "number"
    MOMENT = "moment"
    FLAG = "flag"
    JSON = "json"


class Masked(NamedTuple):
    """A sealed value that is opened and masked."""

    owner: str
    """SQL of what its key is found by."""
    field: str
    value: str
    """SQL of it."""


class Column(NamedTuple):
    """A column of a file."""

    name: str
    kind: Kind
    sql: str
    masked: Masked | None = None
    """Where `sql` calls a function of SQLite's connection, what that function gets."""

    @property
    def harmless(self) -> str:
        """SQL that is true for most values which begin with a letter or a digit, and costs little; never for others."""
        if self.masked is not None:
            # A mask begins as what it masks does; what is sealed has no @.
            value = self.masked.value
            return f"{value} >= 'A' AND {value} < '{{' AND instr({value}, '@') > 1"
        return f"{self.sql} >= 'A' AND {self.sql} < '{{' OR {self.sql} >= '0' AND {self.sql} < ':'"


class Dataset(NamedTuple):
    """A set of rows."""

    source: str
    """What stands behind FROM."""
    key: str
    """What the windows go by."""
    keys: str
    """The table whose `seq` the key is."""
    moment: str
    """What the dates select by."""
    filters: Mapping[str, str]
    """Filter to the SQL whose equality it asks for."""
    columns: tuple[Column, ...]
    unchanging: bool = False
    """Whether rows are never changed, and leave only from the beginning."""


def _columns(kind: Kind, *names: str, of: str = "r") -> tuple[Column, ...]:
    """Columns that are called as they are in the table; moments lose their unit."""
    return tuple(
        Column(_moment_name(name) if kind is Kind.MOMENT else name, kind, f"{of}.{name}") for name in names
    )


def _moment_name(name: str) -> str:
    short = name.removesuffix("_us")
    return short if short.endswith("_at") else f"{short}_at"


def _masked(owner: str, column: str) -> Column:
    """A recipient as `kit.redact.mask` shows it: addresses and numbers in SQL, whatever else there is by that."""
    field = column.partition(".")[2]
    at, length = f"instr({column}, '@')", f"length({column})"
    domain = f"substr({column}, {at} + 1)"
    return Column(
        "recipient",
        Kind.TEXT,
        # What `jobs.models.check_address` lets in is an address; only a local part in quotes is none to `mask`.
        f"CASE WHEN {at} BETWEEN 3 AND 65 AND {domain} GLOB '[A-Za-z0-9]*[A-Za-z0-9]' AND instr({domain}, '@') = 0"
        f" AND instr({column}, '\"') = 0 AND instr({column}, ' ') = 0 THEN substr({column}, 1, 1) || '***@' || {domain}"
        f" WHEN {length} BETWEEN 9 AND 16 AND {column} GLOB '+[0-9]*' AND {column} NOT GLOB '?*[^0-9]*'"
        f" THEN substr({column}, 1, 2) || substr('***************', 1, {length} - 6) || substr({column}, -4)"
        f" ELSE postroom_masked({owner}, '{field}', {column}) END",
        Masked(owner, field, column),
    )


P, T, N, M, F, J = Kind.PLAIN, Kind.TEXT, Kind.NUMBER, Kind.MOMENT, Kind.FLAG, Kind.JSON

AUDIT_LOG: Final = Dataset(
    source="audit_log AS r", key="r.seq", keys="audit_log", moment="r.at_us",
    filters={"user": "r.actor", "actor": "r.actor", "action": "r.action", "objectType": "r.object_type",
             "objectId": "r.object_id", "requestId": "r.request_id"},
    columns=(
        *_columns(N, "seq"), Column("at", M, "r.at_us"), *_columns(T, "actor", "actor_role"),
        *_columns(P, "address", "action", "object_type"), *_columns(T, "object_id", "request_id"),
        *_columns(P, "before_sha256", "after_sha256"), *_columns(J, "details"), *_columns(P, "key_id", "hash"),
    ),
    unchanging=True,
)  # fmt: skip

MESSAGES: Final = Dataset(
    source="messages AS r LEFT JOIN jobs AS j ON j.id = r.job_id", key="r.seq", keys="messages", moment="r.created_us",
    filters={"user": "r.author", "author": "r.author", "status": "r.status", "channel": "r.channel", "topic": "r.topic",
             "template": "r.template", "provider": "r.provider", "recipient": "r.recipient_key",
             "recipientRef": "r.recipient_key", "messageId": "r.id"},
    columns=(
        *_columns(T, "id"), *_columns(P, "channel"), _masked("r.id", "r.recipient"),
        Column("recipient_ref", P, "r.recipient_key"), *_columns(P, "status"), *_columns(P, "job_id", "priority"),
        *_columns(N, "attempts", of="j"), *_columns(T, "author", "topic", "template"), *_columns(N, "template_version"),
        *_columns(M, "send_at_us", "expires_us", "submitted_us"), *_columns(T, "approved_by"),
        *_columns(M, "approved_us"),
        *_columns(P, "content_sha256"), *_columns(T, "provider", "provider_id", "code", "reason"),
        *_columns(F, "possible_duplicate", "complained", "opened"),
        *_columns(M, "created_us", "updated_us", "sent_us", "delivered_us"),
    ),
)  # fmt: skip

ATTEMPTS: Final = Dataset(
    source="messages AS m JOIN deliveries AS r ON r.message_id = m.id", key="m.seq", keys="messages",
    moment="r.claimed_us",
    filters={"status": "r.state", "channel": "m.channel", "provider": "r.provider", "user": "m.author",
             "recipient": "m.recipient_key", "recipientRef": "m.recipient_key", "messageId": "r.message_id"},
    columns=(
        *_columns(P, "id"), *_columns(T, "message_id"), *_columns(P, "channel", of="m"), _masked("m.id", "m.recipient"),
        Column("recipient_ref", P, "m.recipient_key"), *_columns(P, "job_id"), *_columns(N, "job_attempt", "generation"),
        *_columns(T, "provider"), Column("status", P, "r.state"), *_columns(P, "verdict"),
        *_columns(T, "code", "provider_id"), *_columns(P, "request_sha256"), *_columns(F, "possible_duplicate"),
        *_columns(M, "claimed_us", "ended_us", "updated_us"),
    ),
)  # fmt: skip

JOB_ATTEMPTS: Final = Dataset(
    source="jobs AS j JOIN attempts AS r ON r.job_id = j.id", key="j.seq", keys="jobs", moment="r.started_us",
    filters={"status": "r.outcome", "type": "j.type", "provider": "r.provider", "reference": "j.reference",
             "jobId": "j.id"},
    columns=(
        *_columns(P, "job_id"), *_columns(P, "type", of="j"), *_columns(T, "reference", of="j"), *_columns(N, "number"),
        *_columns(P, "outcome"), *_columns(T, "provider", "code", "reason"), *_columns(M, "started_us", "finished_us"),
    ),
)  # fmt: skip

SUPPRESSIONS: Final = Dataset(
    source="suppressions AS r", key="r.seq", keys="suppressions", moment="r.at_us",
    filters={"user": "r.actor", "actor": "r.actor", "channel": "r.channel", "topic": "r.topic", "status": "r.state",
             "source": "r.source", "recipient": "r.address_key", "recipientRef": "r.address_key"},
    columns=(
        *_columns(N, "seq"), *_columns(P, "id", "channel"), _masked("'wish/' || r.id", "r.address"),
        Column("recipient_ref", P, "r.address_key"), *_columns(T, "topic"), Column("status", P, "r.state"),
        *_columns(P, "source"), *_columns(T, "evidence", "wording", "actor"), Column("at", M, "r.at_us"),
    ),
    unchanging=True,
)  # fmt: skip

DATASETS: Final[Mapping[str, Dataset]] = {
    "audit_log": AUDIT_LOG, "messages": MESSAGES, "attempts": ATTEMPTS, "job_attempts": JOB_ATTEMPTS,
    "suppressions": SUPPRESSIONS,
}  # fmt: skip
