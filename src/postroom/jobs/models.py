"""The four built-in jobs: the reference document's fields (camelCase on the wire), and what these may hold.

Recipients, subjects, contents and filters are health data: `repr` never shows them, and a rule that refuses a
value never repeats it. How problems are collected is `validation`'s.
"""

import datetime as dt
import functools
import importlib
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple, TypeAlias, get_args

import msgspec

from postroom.kit.clock import Clock, SystemClock, to_datetime
from postroom.queues.errors import MissingDependency

Priority = Literal["high", "normal", "low"]
PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)

ID_CHARS_MAX: Final = 128
SUBJECT_CHARS_MAX: Final = 998
"""A line's length in RFC 5322, section 2.1.1."""
EMAIL_CONTENT_BYTES_MAX: Final = 100_000
"""Leaves room in a queue message of 128,000 bytes for the other fields and for JSON's escapes."""
SMS_CONTENT_CHARS_MAX: Final = 1_600
"""Twilio's limit: https://www.twilio.com/docs/glossary/what-sms-character-limit"""
ADDRESS_CHARS_MAX: Final = 254
"""RFC 5321, section 4.5.3.1.3, without the angle brackets."""
DOMAINS_REMEMBERED: Final = 4_096
"""Mail domains whose check is remembered, the least recently used forgotten first; addresses never are."""

Job: TypeAlias = msgspec.Struct
"""A job is a Struct whose class is registered: one of the four below, or the user's own."""

Moment: TypeAlias = Annotated[dt.datetime, msgspec.Meta(tz=True)]
"""An aware datetime; on the wire RFC 3339, or a plain date for its midnight UTC."""

HIDDEN: Final = "<hidden>"
"""What `repr` shows in the place of health data."""


class BuiltInJob(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="type"
):
    """What the built-in jobs share: camelCase, no unknown fields, and a `repr` without health data."""

    concealed: ClassVar[frozenset[str]] = frozenset()
    """Fields whose values `repr` hides."""

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """Name and value of each field, as rich prints them (it does not ask `repr`)."""
        names = self.__struct_fields__
        return [(name, HIDDEN if name in self.concealed else getattr(self, name)) for name in names]

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.__rich_repr__())
        return f"{type(self).__name__}({shown})"


class EmailJob(BuiltInJob, frozen=True, kw_only=True, tag="email_send"):
    """Send one email."""

    concealed: ClassVar[frozenset[str]] = frozenset({"recipient", "subject", "content"})

    message_id: str
    """1..128 characters of `[A-Za-z0-9._:-]`; names the message, also across retries."""
    recipient: str
    """One bare address, without a display name; the domain is lower-case ASCII after validation."""
    subject: str
    """1..998 characters (a line of RFC 5322) without control characters or line breaks."""
    content: str
    """1..100,000 bytes of UTF-8, none of them NUL."""
    priority: Priority = "normal"


class SmsJob(BuiltInJob, frozen=True, kw_only=True, tag="sms_send"):
    """Send one text message."""

    concealed: ClassVar[frozenset[str]] = frozenset({"recipient", "content"})

    message_id: str
    """1..128 characters of `[A-Za-z0-9._:-]`; names the message, also across retries."""
    recipient: str
    """An E.164 number, for example +14155552671."""
    content: str
    """1..1,600 characters (Twilio's limit)."""
    priority: Priority = "normal"


class ExportJob(BuiltInJob, frozen=True, kw_only=True, tag="export_generation"):
    """Write the rows that the filters select into a file."""

    concealed: ClassVar[frozenset[str]] = frozenset({"filters"})
    priority: ClassVar[Priority] = "normal"
    """Not a field of the reference document: every export has it."""

    export_id: str
    """1..128 characters of `[A-Za-z0-9._:-]`."""
    filters: dict[str, Any] = {}
    """Any JSON object; the export's processor gives it a meaning."""
    user_id: str
    """Who asked for it: 1..128 characters of `[A-Za-z0-9._:-]`."""
    format: Literal["csv", "json", "ndjson", "parquet"]
    """The reference document's two, and two more; parquet needs its extra."""
    columns: list[str] | None = None
    """Which, in this order; None for all."""
    compression: Literal["none", "gzip"] = "none"
    notify: bool = False
    """Whether who asked for it is told by email when it is ready."""


class CleanupJob(BuiltInJob, frozen=True, kw_only=True, tag="cleanup"):
    """Delete what is older than a moment."""

    priority: ClassVar[Priority] = "normal"
    """Not a field of the reference document: every cleanup has it."""

    target: Literal[
        "audit_logs",
        "message_queue",
        "temp_files",
        "exports",
        "webhook_events",
        "idempotency_keys",
        "queue_messages",
    ]
    """The reference document's three, and four more."""
    older_than: Moment
    """Not in the future."""
    dry_run: bool = False
    """Count what would be deleted, and delete nothing."""


BUILT_IN: Final[tuple[type[BuiltInJob], ...]] = (EmailJob, SmsJob, ExportJob, CleanupJob)


def priority_of(job: Job) -> Priority:
    """The job's priority: its own field or class attribute where that is one of the three, else normal."""
    wanted = getattr(job, "priority", "normal")
    return wanted if wanted in PRIORITIES else "normal"


class Refused(Exception):
    """A value breaks its field's rule; the text is the reason, as a predicate, without the value."""


class Surroundings(NamedTuple):
    """What a rule may ask besides the value."""

    clock: Clock = SystemClock()
    """Says what lies in the future."""
    test_domains: bool = True
    """Whether addresses under `.test` pass, which can never be delivered (RFC 6761)."""


USUAL: Final = Surroundings()


Rule: TypeAlias = Callable[[Any, Surroundings], Any]
"""Takes a value of the right type; returns it normalised or raises Refused."""

_ID = re.compile(rf"[A-Za-z0-9._:-]{{1,{ID_CHARS_MAX}}}")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters and Unicode's line breaks: in a header they could start another header."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LOCAL = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(?:\.{_ATOM})*")
"""The usual part before the @: a dot-atom in ASCII (RFC 5322, section 3.2.3)."""


def check_id(text: str, _: object = None) -> str:
    """1..128 characters of `[A-Za-z0-9._:-]`."""
    if _ID.fullmatch(text):
        return text
    _check_length(len(text), ID_CHARS_MAX, "characters")
    raise Refused("may only hold letters, digits and . _ : - (all ASCII)")


def check_subject(text: str, _: object = None) -> str:
    """1..998 characters, none of them a control character or a line break."""
    _check_length(len(text), SUBJECT_CHARS_MAX, "characters")
    if not text.isprintable() and _BREAKS.search(text):
        raise Refused("must not hold line breaks or control characters")
    return text


def check_email_content(text: str, _: object = None) -> str:
    """1..100,000 bytes of UTF-8, none of them NUL."""
    size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    _check_length(size, EMAIL_CONTENT_BYTES_MAX, "bytes")
    return check_no_nul(text)


def check_sms_content(text: str, _: object = None) -> str:
    """1..1,600 characters, none of them NUL."""
    _check_length(len(text), SMS_CONTENT_CHARS_MAX, "characters")
    return check_no_nul(text)


def check_no_nul(text: str) -> str:
    """A text without NUL, which no message may hold (RFC 5322, section 3.5) and no text of PostgreSQL can."""
    if "\0" in text:
        raise Refused("must not hold NUL characters")
    return text


def check_address(text: str, around: Surroundings = USUAL) -> str:
    """One bare email address; returns it with its domain in lower-case ASCII.

    Syntax only: nothing is asked of DNS. Raises MissingDependency without the `service` extra.
    """
    local, at, domain = text.rpartition("@")
    if not (at and len(text) <= ADDRESS_CHARS_MAX and _LOCAL.fullmatch(local)):
        local = _unusual_local(text, local, at)
    known = _domain(domain, around.test_domains)
    if len(local) + 1 + len(known) > ADDRESS_CHARS_MAX:
        raise Refused(f"is too long: at most {ADDRESS_CHARS_MAX} characters, with the domain in ASCII")
    address = f"{local}@{known}"
    return text if address == text else address


def _unusual_local(text: str, local: str, at: str) -> str:
    """The part before the @ of an address that is not of the usual kind, or why it is none."""
    _check_length(len(text), ADDRESS_CHARS_MAX, "characters")
    if _BREAKS.search(text):
        raise Refused("must not hold line breaks or control characters")
    if "<" in text or ">" in text:
        raise Refused("must be a bare address, without a display name or angle brackets")
    if not at:
        raise Refused("has no @")
    if "@" in local or "," in text or ";" in text:
        raise Refused("must be exactly one address")
    if any(map(str.isspace, text)):
        raise Refused("must not hold spaces")
    validator = _service("email_validator")
    try:
        found = validator.validate_email(f"{local}@example.com", check_deliverability=False, strict=True)
        return str(found.local_part)
    except ValueError:
        # Its text quotes characters of the address.
        raise Refused("is not valid before the @") from None


def check_phone(text: str, _: object = None) -> str:
    """One E.164 number that its country's numbering plan has room for.

    Raises MissingDependency without the `service` extra.
    """
    if not _E164.fullmatch(text):
        raise Refused("must be an E.164 number: + and country code, 7 to 15 digits in all, nothing between")
    phonenumbers = _service("phonenumbers")
    try:
        length = phonenumbers.is_possible_number_with_reason(phonenumbers.parse(text))
    except phonenumbers.NumberParseException:
        length = None
    # `is_possible_number` would also take a number that lacks its area code.
    if length != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise Refused("is not a possible number of any country")
    return text


def check_past(moment: dt.datetime, around: Surroundings = USUAL) -> dt.datetime:
    """A moment that is not in the future; returns it in UTC."""
    if moment > to_datetime(around.clock.now_us()):
        raise Refused("lies in the future, and everything is older than that")
    return moment.astimezone(dt.UTC)


RULES: Final[Mapping[type[Job], Mapping[str, Rule]]] = MappingProxyType(
    {
        EmailJob: {
            "message_id": check_id,
            "recipient": check_address,
            "subject": check_subject,
            "content": check_email_content,
        },
        SmsJob: {"message_id": check_id, "recipient": check_phone, "content": check_sms_content},
        ExportJob: {"export_id": check_id, "user_id": check_id},
        CleanupJob: {"older_than": check_past},
    }
)
"""The rules of the built-in models, by field. A user's model has msgspec's `Meta` and `__post_init__`."""


def _check_length(length: int, limit: int, unit: str) -> None:
    if not length:
        raise Refused("must not be empty")
    if length > limit:
        raise Refused(f"has {length:,} {unit}; at most {limit:,}")


@functools.lru_cache(maxsize=DOMAINS_REMEMBERED)
def _domain(domain: str, test_domains: bool) -> str:
    """The domain in lower-case ASCII, as mail servers without SMTPUTF8 need it. Raises Refused."""
    validator = _service("email_validator")
    try:
        found = validator.validate_email(
            f"a@{domain}", check_deliverability=False, test_environment=test_domains
        )
    except ValueError:
        # Its text quotes parts of the address.
        raise Refused("has no valid mail domain after the @") from None
    return str(found.ascii_domain)


def _service(module: str) -> ModuleType:
    """A module of the `service` extra, imported on use: queues and models work without it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingDependency(
            'recipients are checked by email-validator and phonenumbers: pip install "postroom[service]"',
            key=module,
            allowed='pip install "postroom[service]"',
        ) from None
