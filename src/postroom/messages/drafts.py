"""What a person writes: a draft and changes to one, checked like the jobs that programs send."""

import datetime as dt
from typing import Any, ClassVar, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import UNSET, UnsetType

from postroom.jobs.models import EMAIL_CONTENT_BYTES_MAX, EmailJob, Moment, Priority, SmsJob
from postroom.jobs.registry import JobRegistry
from postroom.jobs.validation import JobInvalid, Problem, decode_job
from postroom.kit.clock import Clock, to_us
from postroom.kit.ids import new_id
from postroom.kit.redact import Discreet

MessageChannel = Literal["email", "sms", "portal"]
Policy = Literal["at_most_once", "at_least_once"]
HTML_BYTES_MAX: Final = EMAIL_CONTENT_BYTES_MAX
TOPIC_CHARS_MAX: Final = 64


class Draft(Discreet, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A message as it is first written. Its repr shows no recipient and no content.

    Either `content` (and `subject` for email and portal) or `template` with `variables`.
    """

    shown: ClassVar[tuple[str, ...]] = ("message_id", "channel", "template")

    channel: MessageChannel
    recipient: str
    message_id: str | None = None
    subject: str | None = None
    content: str | None = None
    html: str | None = None
    template: str | None = None
    variables: dict[str, str] | None = None
    priority: Priority = "normal"
    topic: str | None = None
    health_data: bool | None = None
    policy: Policy | None = None
    send_at: Moment | None = None
    zone: str | None = None
    """The recipient's IANA time zone."""
    expires_at: Moment | None = None


class Changes(Discreet, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to be different; what is left out stays as it is."""

    shown: ClassVar[tuple[str, ...]] = ()

    recipient: str | UnsetType = UNSET
    subject: str | UnsetType | None = UNSET
    content: str | UnsetType = UNSET
    html: str | UnsetType | None = UNSET
    priority: Priority | UnsetType = UNSET
    topic: str | UnsetType | None = UNSET
    health_data: bool | UnsetType = UNSET
    policy: Policy | UnsetType | None = UNSET
    zone: str | UnsetType | None = UNSET
    expires_at: Moment | UnsetType | None = UNSET


class MessageInvalid(ValueError):
    """A message that cannot be accepted; `problems` names each field and the reason, never a value."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.field} {problem.reason}" for problem in problems))
        self.problems = problems


_REGISTRY = JobRegistry()


def check(row: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """The row with its fields in their standard forms; raises MessageInvalid with everything that is wrong."""
    problems: list[Problem] = []
    fields = {"messageId": row["id"], "recipient": row["recipient"], "content": row["content"]}
    as_sms = row["channel"] == "sms" or (row["channel"] == "portal" and "@" not in row["recipient"])
    if as_sms:
        # A portal message to a telephone: only its notice travels as a text message.
        shown = "notice" if row["channel"] == "portal" else row["content"]
        fields = {**fields, "type": "sms_send", "content": shown}
    else:
        fields = {**fields, "type": "email_send", "subject": row["subject"] or ""}
    try:
        job = decode_job(msgspec.json.encode(fields), _REGISTRY, clock=clock)
        assert isinstance(job, EmailJob | SmsJob)
        row = {**row, "recipient": job.recipient}
    except JobInvalid as error:
        problems += error.problems
    if row["channel"] == "sms" and row["subject"] is not None:
        problems.append(Problem("subject", "must be left out: text messages have none"))
    if row["html"] is not None and row["channel"] == "sms":
        problems.append(Problem("html", "must be left out: text messages are plain"))
    if row["html"] is not None and len(row["html"].encode()) > HTML_BYTES_MAX:
        problems.append(Problem("html", f"must have at most {HTML_BYTES_MAX:,} bytes"))
    if row["html"] is not None and "\0" in row["html"]:
        problems.append(Problem("html", "must not hold NUL characters"))
    problems += _plan_problems(row, clock.now_us())
    if problems:
        raise MessageInvalid(problems)
    return row


def _plan_problems(row: dict[str, Any], now_us: int) -> list[Problem]:
    problems = []
    if row["zone"] is not None and not is_zone(row["zone"]):
        problems.append(Problem("zone", "must be an IANA time zone, for example Europe/Berlin"))
    if row["topic"] is not None and not (
        0 < len(row["topic"]) <= TOPIC_CHARS_MAX and row["topic"].isprintable()
    ):
        problems.append(Problem("topic", f"must have 1 to {TOPIC_CHARS_MAX} printable characters"))
    expires_us, send_at_us = row["expires_us"], row["send_at_us"]
    if expires_us is not None and expires_us <= now_us:
        problems.append(Problem("expiresAt", "must lie in the future"))
    if expires_us is not None and send_at_us is not None and expires_us <= send_at_us:
        problems.append(Problem("expiresAt", "must be later than sendAt"))
    return problems


def is_zone(name: str) -> bool:
    """Whether it names a time zone of the IANA database."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def row_of(draft: Draft) -> dict[str, Any]:
    """The columns of a draft; its content may still have to come from a template."""
    return {
        "id": draft.message_id or new_id(),
        "channel": draft.channel,
        "recipient": draft.recipient,
        "subject": draft.subject,
        "content": draft.content or "",
        "html": draft.html,
        "priority": draft.priority,
        "topic": draft.topic,
        "health_data": True if draft.health_data is None else draft.health_data,
        "policy": draft.policy,
        "template": None,
        "template_version": None,
        "zone": draft.zone,
        "send_at_us": _us(draft.send_at),
        "expires_us": _us(draft.expires_at),
    }


def changed_columns(changes: Changes) -> dict[str, Any]:
    """The columns that a change sets."""
    found = {
        name: getattr(changes, name)
        for name in changes.__struct_fields__
        if getattr(changes, name) is not UNSET
    }
    if "expires_at" in found:
        found["expires_us"] = _us(found.pop("expires_at"))
    return found


def local_moment(moment: str, zone: str) -> int | None:
    """A local date and time (`2026-11-24T09:00`) in a zone, in microseconds; None when it is not one.

    A time that the clocks skip is moved on to where they resume; of one that comes twice it is the first.
    """
    try:
        local = dt.datetime.fromisoformat(moment)
    except ValueError:
        return None
    if local.tzinfo is not None:
        return to_us(local)
    # The way through UTC and back moves times that do not exist forward (PEP 495).
    return to_us(local.replace(tzinfo=ZoneInfo(zone), fold=0))


def _us(moment: dt.datetime | None) -> int | None:
    return None if moment is None else to_us(moment)
