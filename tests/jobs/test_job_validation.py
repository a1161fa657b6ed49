"""From JSON to a checked job, or to every problem it has. Promised in `postroom.jobs.validation`."""

import enum
import json
import pickle
from collections import UserDict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.jobs.models import CleanupJob, EmailJob, ExportJob, Moment, SmsJob
from postroom.jobs.outcome import Failed, outcome_of
from postroom.jobs.registry import JobRegistry, UnknownJobType
from postroom.jobs.validation import (
    INPUT_LENGTH_MAX,
    PROBLEMS_MAX,
    ROOT,
    JobInvalid,
    Problem,
    check_job,
    decode_job,
)
from postroom.kit.clock import SystemClock, to_us

quick = settings(deadline=None, database=None)

TYPES = "known types: cleanup, cleanup_later, email_send, export_generation, invoice_pdf, sms_send"


class StoppedClock(SystemClock):
    """A clock that always shows noon of 2026-06-15 UTC."""

    def now_us(self) -> int:
        return to_us(datetime(2026, 6, 15, 12, tzinfo=UTC))


NOON = StoppedClock()


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Line(msgspec.Struct, rename="camel"):
    """A part of a user's job."""

    unit_price: Decimal
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


class InvoicePdf(msgspec.Struct, rename="camel"):
    """A user's job without a tag."""

    invoice_id: Annotated[str, msgspec.Meta(max_length=5)]
    lines: list[Line] = []
    colour: Colour | None = None
    size: Literal["a4", "letter"] = "a4"
    ratio: float | None = None

    def __post_init__(self) -> None:
        if self.invoice_id == "own":
            raise JobInvalid([Problem("invoiceId", "is reserved")])
        if self.invoice_id == "raise":
            raise ValueError(f"the secret is {self.invoice_id}")


class CleanupLater(
    msgspec.Struct, tag="cleanup_later", tag_field="type", forbid_unknown_fields=True, rename="camel"
):
    """A user's tagged job with a moment."""

    not_before: Moment


@pytest.fixture(scope="module")
def registry() -> JobRegistry:
    """The built-in types and two of a user's."""
    registry = JobRegistry()
    registry.add(InvoicePdf, type="invoice_pdf")
    registry.add(CleanupLater)
    return registry


def an_email(*without: str, **changes: Any) -> dict[str, Any]:
    """A valid email job as JSON has it, with fields changed or left out."""
    fields = {
        "type": "email_send",
        "messageId": "m-1",
        "recipient": "jane@example.com",
        "subject": "Your appointment",
        "content": "Tomorrow at two.",
        "priority": "high",
    } | changes
    return {name: value for name, value in fields.items() if name not in without}


def an_sms(*without: str, **changes: Any) -> dict[str, Any]:
    """A valid SMS job as JSON has it, with fields changed or left out."""
    fields = {
        "type": "sms_send",
        "messageId": "m-2",
        "recipient": "+14155552671",
        "content": "At two.",
    } | changes
    return {name: value for name, value in fields.items() if name not in without}


def an_export(*without: str, **changes: Any) -> dict[str, Any]:
    """A valid export job as JSON has it, with fields changed or left out."""
    fields = {
        "type": "export_generation",
        "exportId": "e-1",
        "filters": {"startDate": "2026-01-01"},
        "userId": "u-1",
        "format": "csv",
    } | changes
    return {name: value for name, value in fields.items() if name not in without}


def a_cleanup(*without: str, **changes: Any) -> dict[str, Any]:
    """A valid cleanup job as JSON has it, with fields changed or left out."""
    fields = {"type": "cleanup", "target": "temp_files", "olderThan": "2026-01-31T08:00:00Z"} | changes
    return {name: value for name, value in fields.items() if name not in without}


def an_invoice(**changes: Any) -> dict[str, Any]:
    """A valid job of a user's type as JSON has it, with fields changed."""
    return {"type": "invoice_pdf", "invoiceId": "i-1"} | changes


def problems(data: Any, registry: JobRegistry) -> dict[str, str]:
    """What is wrong with a job, by field."""
    with pytest.raises(JobInvalid) as caught:
        decode_job(data, registry, clock=NOON)
    assert len(caught.value.problems) == len({problem.field for problem in caught.value.problems})
    return {problem.field: problem.reason for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("wire", "job"),
    [
        pytest.param(
            an_email(),
            EmailJob(
                message_id="m-1",
                recipient="jane@example.com",
                subject="Your appointment",
                content="Tomorrow at two.",
                priority="high",
            ),
            id="email",
        ),
        pytest.param(
            an_sms(), SmsJob(message_id="m-2", recipient="+14155552671", content="At two."), id="sms"
        ),
        pytest.param(
            an_export(),
            ExportJob(export_id="e-1", filters={"startDate": "2026-01-01"}, user_id="u-1", format="csv"),
            id="export",
        ),
        pytest.param(
            an_export("filters"),
            ExportJob(export_id="e-1", filters={}, user_id="u-1", format="csv"),
            id="export-without-filters",
        ),
        pytest.param(
            a_cleanup(),
            CleanupJob(target="temp_files", older_than=datetime(2026, 1, 31, 8, tzinfo=UTC)),
            id="cleanup",
        ),
        pytest.param(
            an_invoice(lines=[{"unitPrice": "1.50"}], colour="red"),
            InvoicePdf("i-1", lines=[Line(Decimal("1.50"))], colour=Colour.RED),
            id="untagged",
        ),
        pytest.param(an_invoice(extra=1), InvoicePdf("i-1"), id="untagged-with-a-field-it-does-not-forbid"),
        pytest.param(
            {"type": "cleanup_later", "notBefore": "2030-01-01"},
            CleanupLater(datetime(2030, 1, 1, tzinfo=UTC)),
            id="tagged-with-a-plain-date",
        ),
    ],
)
def test_decode_accepts_bytes_text_and_mappings(registry, wire, job):
    """The same job comes out of JSON in bytes, JSON in text, and a mapping."""
    data = json.dumps(wire)

    decoded = [
        decode_job(form, registry, clock=NOON) for form in (data.encode(), data, wire, MappingProxyType(wire))
    ]

    assert decoded == [job] * 4
    assert {type(one) for one in decoded} == {type(job)}


def test_reference_documents_curl_body_is_accepted(registry):
    """The body of the reference document's curl command, as it stands."""
    body = (
        b'{"type":"email_send","messageId":"test-123","recipient":"test@example.com","subject":"Test",'
        b'"content":"Test message","priority":"normal"}'
    )

    assert decode_job(body, registry).message_id == "test-123"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC), id="plain-date"),
        pytest.param("2026-06-15", datetime(2026, 6, 15, tzinfo=UTC), id="today"),
        pytest.param("2026-01-31T08:00:00.000Z", datetime(2026, 1, 31, 8, tzinfo=UTC), id="javascript"),
        pytest.param("2026-01-31T08:00:00+02:00", datetime(2026, 1, 31, 6, tzinfo=UTC), id="offset"),
        pytest.param(date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC), id="python-date"),
        pytest.param(
            datetime(2026, 1, 31, 8, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 1, 31, 7, tzinfo=UTC),
            id="python-datetime",
        ),
    ],
)
def test_older_than_becomes_a_moment_in_utc(registry, given, expected):
    """A plain date is its midnight UTC; an offset is resolved."""
    job = decode_job(a_cleanup(olderThan=given), registry, clock=NOON)

    assert (expected, UTC) == (job.older_than, job.older_than.tzinfo)


TARGETS = "audit_logs, exports, idempotency_keys, message_queue, queue_messages, temp_files, webhook_events"
DATE = "must be an ISO 8601 date, or date and time with a zone: 2026-01-31 or 2026-01-31T08:00:00Z"
EMAIL_FIELDS = "known fields: messageId, recipient, subject, content, priority"


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(an_email("messageId"), {"messageId": "is missing"}, id="missing"),
        pytest.param(
            an_email(messageId=5), {"messageId": "must be a string, not a whole number"}, id="wrong-type"
        ),
        pytest.param(an_email(messageId=None), {"messageId": "must be a string, not null"}, id="null"),
        pytest.param(an_email(messageId=""), {"messageId": "must not be empty"}, id="id-empty"),
        pytest.param(
            an_email(messageId="x" * 129), {"messageId": "has 129 characters; at most 128"}, id="id-long"
        ),
        pytest.param(
            an_email(messageId="a b"),
            {"messageId": "may only hold letters, digits and . _ : - (all ASCII)"},
            id="id-signs",
        ),
        pytest.param(an_email(recipient="jane"), {"recipient": "has no @"}, id="address"),
        pytest.param(
            an_email(recipient=["a@example.com"]), {"recipient": "must be a string, not an array"}, id="list"
        ),
        pytest.param(an_email(subject=""), {"subject": "must not be empty"}, id="subject-empty"),
        pytest.param(
            an_email(subject="a\r\nBcc: x"),
            {"subject": "must not hold line breaks or control characters"},
            id="header-injection",
        ),
        pytest.param(an_email(content=""), {"content": "must not be empty"}, id="content-empty"),
        pytest.param(
            an_email(content="x" * 100_001),
            {"content": "has 100,001 bytes; at most 100,000"},
            id="content-long",
        ),
        pytest.param(
            an_email(priority="urgent"),
            {"priority": "must be one of: high, low, normal"},
            id="priority-unknown",
        ),
        pytest.param(
            an_email(priority=1), {"priority": "must be a string, not a whole number"}, id="priority-number"
        ),
        pytest.param(
            an_email(reciepient="x"),
            {"reciepient": 'is not a known field; did you mean "recipient"?'},
            id="unknown-field-like-a-known-one",
        ),
        pytest.param(an_email(zzz=1), {"zzz": f"is not a known field; {EMAIL_FIELDS}"}, id="unknown-field"),
        pytest.param(
            an_email(**{"jane@example.com": 1}),
            {ROOT: "has a field whose name is not one"},
            id="address-as-a-field",
        ),
        pytest.param(
            an_email("messageId", message_id="m-1"),
            {"messageId": "is missing", "message_id": 'is not a known field; did you mean "messageId"?'},
            id="snake-case",
        ),
        pytest.param(
            an_sms(recipient="4155552671"),
            {
                "recipient": "must be an E.164 number: + and country code, 7 to 15 digits in all, nothing between"
            },
            id="phone-national",
        ),
        pytest.param(
            an_sms(recipient="+14155552"),
            {"recipient": "is not a possible number of any country"},
            id="phone-impossible",
        ),
        pytest.param(
            an_sms(content="x" * 1_601), {"content": "has 1,601 characters; at most 1,600"}, id="sms-long"
        ),
        pytest.param(
            an_sms(subject="s"),
            {"subject": "is not a known field; known fields: messageId, recipient, content, priority"},
            id="sms-with-subject",
        ),
        pytest.param(
            an_export(format="xlsx"), {"format": "must be one of: csv, json, ndjson, parquet"}, id="format"
        ),
        pytest.param(
            an_export(filters=[]), {"filters": "must be an object, not an array"}, id="filters-array"
        ),
        pytest.param(
            an_export(exportId="", userId="a b"),
            {
                "exportId": "must not be empty",
                "userId": "may only hold letters, digits and . _ : - (all ASCII)",
            },
            id="export-ids",
        ),
        pytest.param(
            an_export(priority="low"),
            {
                "priority": "is not a known field; known fields: exportId, filters, userId, format, columns, compression, notify"
            },
            id="export-has-no-priority",
        ),
        pytest.param(
            a_cleanup(target="everything"),
            {"target": f"must be one of: {TARGETS}"},
            id="target",
        ),
        pytest.param(a_cleanup(olderThan="yesterday"), {"olderThan": DATE}, id="date-words"),
        pytest.param(a_cleanup(olderThan="2026-02-30"), {"olderThan": DATE}, id="date-impossible"),
        pytest.param(a_cleanup(olderThan="2026-01-31T08:00:00"), {"olderThan": DATE}, id="date-naive"),
        pytest.param(a_cleanup(olderThan="20260131"), {"olderThan": DATE}, id="date-basic-format"),
        pytest.param(a_cleanup(olderThan=1767225600), {"olderThan": DATE}, id="date-number"),
        pytest.param(a_cleanup(olderThan=None), {"olderThan": DATE}, id="date-null"),
        pytest.param(
            a_cleanup(olderThan="2026-06-15T12:00:01Z"),
            {"olderThan": "lies in the future, and everything is older than that"},
            id="date-future",
        ),
        pytest.param(
            a_cleanup(olderThan="2026-06-16"),
            {"olderThan": "lies in the future, and everything is older than that"},
            id="date-tomorrow",
        ),
        pytest.param({}, {"type": f"is missing; {TYPES}"}, id="type-missing"),
        pytest.param({"type": 3}, {"type": f"must be a string; {TYPES}"}, id="type-number"),
        pytest.param({"type": []}, {"type": f"must be a string; {TYPES}"}, id="type-array"),
        pytest.param({"type": ""}, {"type": f"is not a known type; {TYPES}"}, id="type-empty"),
        pytest.param(
            an_email(type="emial_send"),
            {"type": f'"emial_send" is not a known type; did you mean "email_send"?; {TYPES}'},
            id="type-like-a-known-one",
        ),
        pytest.param({"type": "fax"}, {"type": f'"fax" is not a known type; {TYPES}'}, id="type-unknown"),
        pytest.param(
            {"type": "jane@example.com"}, {"type": f"is not a known type; {TYPES}"}, id="type-that-is-no-name"
        ),
        pytest.param(
            {
                "type": "email_send",
                "messageId": 7,
                "recipient": "Jane <jane@example.com>",
                "subject": "a\nb",
                "priority": "urgent",
                "colour": "red",
            },
            {
                "messageId": "must be a string, not a whole number",
                "recipient": "must be a bare address, without a display name or angle brackets",
                "subject": "must not hold line breaks or control characters",
                "content": "is missing",
                "priority": "must be one of: high, low, normal",
                "colour": f"is not a known field; {EMAIL_FIELDS}",
            },
            id="everything-at-once",
        ),
        pytest.param(
            an_email(messageId="", recipient="", subject="", content=""),
            dict.fromkeys(["messageId", "recipient", "subject", "content"], "must not be empty"),
            id="every-rule-at-once",
        ),
        pytest.param(
            an_invoice(invoiceId="123456"),
            {"invoiceId": "must be a string of length <= 5"},
            id="own-constraint",
        ),
        pytest.param(an_invoice(colour="green"), {"colour": "must be one of: red, blue"}, id="own-enum"),
        pytest.param(an_invoice(size="a3"), {"size": "must be one of: a4, letter"}, id="own-literal"),
        pytest.param(
            an_invoice(ratio="x"), {"ratio": "must be a number or null, not a string"}, id="own-union"
        ),
        pytest.param(
            an_invoice(lines=[{"unitPrice": "1"}, {"unitPrice": "1", "count": 0}]),
            {"lines[1].count": "must be a whole number >= 1"},
            id="own-nested-constraint",
        ),
        pytest.param(an_invoice(lines=[{}]), {"lines[0].unitPrice": "is missing"}, id="own-nested-missing"),
        pytest.param(
            an_invoice(lines=[{"unitPrice": "x"}]),
            {"lines[0].unitPrice": "is not valid: invalid decimal string"},
            id="own-nested-decimal",
        ),
        pytest.param(an_invoice(invoiceId="own"), {"invoiceId": "is reserved"}, id="own-check"),
        pytest.param(
            an_invoice(invoiceId="raise"),
            {ROOT: "was refused by InvoicePdf (ValueError)"},
            id="own-check-raising",
        ),
        pytest.param(
            {"type": "cleanup_later", "notBefore": "soon", "when": 1},
            {"notBefore": DATE, "when": "is not a known field; known fields: notBefore"},
            id="own-tagged",
        ),
    ],
)
def test_decode_names_field_and_reason(registry, wire, expected):
    """Each problem has its field's wire name and a reason, the same from JSON and from a mapping."""
    assert problems(json.dumps(wire).encode(), registry) == expected
    assert problems(wire, registry) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(" \n", "is empty", id="blank"),
        pytest.param(b'{"type": "email_send"', "is not valid JSON: ends too early (byte 21)", id="cut-off"),
        pytest.param(
            b'{"type": "x",}', "is not valid JSON: trailing comma in object (byte 13)", id="trailing-comma"
        ),
        pytest.param(
            b"{'type': 1}", "is not valid JSON: object keys must be strings (byte 1)", id="single-quotes"
        ),
        pytest.param(
            b'{"type": 1} x', "is not valid JSON: trailing characters (byte 13)", id="more-than-one-value"
        ),
        pytest.param(
            b"\xef\xbb\xbf{}", "is not valid JSON: invalid character (byte 0)", id="byte-order-mark"
        ),
        pytest.param(b'{"\xff": 1}', "is not valid UTF-8 from position 2", id="not-utf8-in-a-name"),
        pytest.param('{"\ud800": 1}', "is not valid UTF-8 from position 2", id="lone-surrogate-in-text"),
        pytest.param(b"[]", "must be an object, not an array", id="array"),
        pytest.param(b'"email_send"', "must be an object, not a string", id="string"),
        pytest.param("null", "must be an object, not null", id="null"),
        pytest.param(b"12", "must be an object, not a whole number", id="number"),
        pytest.param(
            b" " * (INPUT_LENGTH_MAX + 1),
            "is longer than 1,024,000; at most 128,000 bytes as JSON",
            id="far-too-long",
        ),
    ],
)
def test_decode_refuses_what_is_no_object(registry, data, expected):
    """What is not a JSON object is refused as a whole, with the position where there is one."""
    assert {ROOT: expected} == problems(data, registry)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(
            b'{"type":"export_generation","exportId":"e","userId":"u","format":"csv","filters":'
            + b'{"a":' * 50_000
            + b"1"
            + b"}" * 50_000
            + b"}",
            {ROOT: "is nested too deeply"},
            id="nested-too-deeply",
        ),
        pytest.param(
            b'{"type":"sms_send","messageId":"m","recipient":"+14155552671","content":"\xff"}',
            {"content": "is not valid UTF-8"},
            id="not-utf8-in-a-field",
        ),
        pytest.param(
            b'{"type":"sms_send","messageId":"m","recipient":"+14155552671","content":"\\ud800 and more"}',
            {ROOT: "is not valid JSON: unexpected end of hex escape (byte 79)"},
            id="lone-surrogate-escape",
        ),
        pytest.param(
            b'{"type":"export_generation","exportId":"e","userId":"u","format":"csv","filters":{"n":1e999}}',
            {"filters[...]": "is not valid: number out of range"},
            id="number-out-of-range",
        ),
    ],
)
def test_decode_refuses_broken_fields(registry, data, expected):
    """What is broken inside a field is told of the field."""
    assert problems(data, registry) == expected


def test_decode_tolerates_names_that_come_twice(registry):
    """The last one wins, as in JSON.parse, also for the type."""
    data = (
        b'{"type":"sms_send","type":"cleanup","target":"audit_logs","target":"temp_files",'
        b'"olderThan":"2026-01-31T08:00:00Z"}'
    )

    assert decode_job(data, registry, clock=NOON).target == "temp_files"


def test_decode_takes_any_mapping(registry):
    """A mapping need not be a dict."""
    assert type(decode_job(UserDict(an_email()), registry)) is EmailJob


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        pytest.param(an_email(content=b"bytes"), {"content": "must be a string, not bytes"}, id="bytes"),
        pytest.param(
            an_export(filters={"x": object()}), {"filters": "holds something that JSON cannot"}, id="object"
        ),
        pytest.param(
            an_email(content="\ud800"), {"content": "holds something that JSON cannot"}, id="lone-surrogate"
        ),
        pytest.param(
            {1: 2, **an_email()}, {ROOT: "has a field whose name is not one"}, id="number-as-a-name"
        ),
    ],
)
def test_decode_refuses_what_only_python_can_hold(registry, wire, expected):
    """A mapping may hold what JSON cannot; the field is named."""
    assert problems(wire, registry) == expected


@pytest.mark.parametrize(
    "form", [dict, lambda wire: json.dumps(wire).encode(), json.dumps], ids=["map", "bytes", "str"]
)
@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(an_export(filters={"ids": ["x" * 98] * 1_300}), id="export"),
        pytest.param(an_email(content="\x01" * 30_000), id="email-of-escapes"),
        pytest.param(an_email(content='"' * 70_000), id="email-of-quotes"),
    ],
)
def test_job_must_fit_a_queue_message(registry, wire, form):
    """The whole job as JSON is at most 128,000 bytes, whatever form it came in."""
    reason = problems(form(wire), registry)[ROOT]

    assert reason.endswith("bytes as JSON; a queue message holds at most 128,000")


def test_size_is_that_of_the_job_not_of_its_writing(registry):
    """White space and escapes of the sender do not count: the job is written anew."""
    wire = json.dumps(an_email(content="é" * 40_000), indent=1, ensure_ascii=True)
    assert len(wire) > 128_000

    assert len(decode_job(wire, registry).content) == 40_000


def test_numbers_that_grow_are_measured_as_they_are_written(registry):
    """1e15 becomes 1000000000000000.0, so a small input can be a large job."""
    wire = json.dumps(an_export()).replace('"2026-01-01"', "[" + ",".join(["1e15"] * 8_000) + "]")
    assert len(wire) < 60_000

    assert "bytes as JSON" in problems(wire, registry)[ROOT]


def test_problems_are_counted_beyond_a_limit(registry):
    """A thousand wrong fields do not make an error of a thousand lines."""
    with pytest.raises(JobInvalid) as caught:
        decode_job(an_email(**{f"field{n}": n for n in range(1_000)}), registry)

    assert len(caught.value.problems) == PROBLEMS_MAX + 1
    assert caught.value.problems[-1] == Problem(ROOT, "has 950 more problems")


def test_text_of_the_error_lists_the_problems(registry):
    """The text reads as one sentence a problem."""
    with pytest.raises(JobInvalid) as caught:
        decode_job(an_email("subject", recipient="jane"), registry)

    assert str(caught.value) == "recipient has no @; subject is missing"


def test_error_survives_pickling():
    """Errors cross process borders whole."""
    error = JobInvalid([Problem("subject", "is missing")])

    assert (error.problems, str(error)) == ((copy := pickle.loads(pickle.dumps(error))).problems, str(copy))


def test_error_out_of_a_processor_is_permanent():
    """An invalid job stays invalid at the next try; the text is ours and is kept."""
    error = JobInvalid([Problem("subject", "is missing")])

    assert outcome_of(error) == Failed("subject is missing", "job_invalid")


def test_addresses_under_test_are_refused_on_request(registry):
    """Production may refuse what can never be delivered."""
    wire = an_email(recipient="jane@clinic.test")

    assert decode_job(wire, registry).recipient == "jane@clinic.test"
    with pytest.raises(JobInvalid, match="recipient has no valid mail domain"):
        decode_job(wire, registry, test_domains=False)


def test_recipient_is_normalised(registry):
    """The domain becomes lower-case ASCII."""
    assert decode_job(an_email(recipient="Jane@Bücher.DE"), registry).recipient == "Jane@xn--bcher-kva.de"


def test_check_accepts_a_job_built_in_python(registry):
    """A job that was built rather than received passes the same checks and is normalised alike."""
    job = EmailJob(message_id="m-1", recipient="jane@EXAMPLE.com", subject="s", content="c")

    assert msgspec.structs.replace(job, recipient="jane@example.com") == check_job(job, registry)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(
            EmailJob(message_id="", recipient=None, subject="a\nb", content=b"c"),
            {
                "messageId": "must not be empty",
                "recipient": "must be a string, not null",
                "subject": "must not hold line breaks or control characters",
                "content": "must be a string, not bytes",
            },
            id="email",
        ),
        pytest.param(
            CleanupJob(target="temp_files", older_than=datetime(2026, 1, 1)), {"olderThan": DATE}, id="naive"
        ),
        pytest.param(
            InvoicePdf("i-1", lines=[Line(Decimal(1), 0)]), None, id="nested-struct-is-taken-as-it-is"
        ),
    ],
)
def test_check_names_field_and_reason(registry, job, expected):
    """Python checks no types when a Struct is built, so they are checked here."""
    if expected is None:
        assert check_job(job, registry) == job
        return
    with pytest.raises(JobInvalid) as caught:
        check_job(job, registry, clock=NOON)

    assert {problem.field: problem.reason for problem in caught.value.problems} == expected


def test_check_refuses_an_unregistered_class():
    """A job nobody registered is a mistake in the program, not in the job."""
    with pytest.raises(UnknownJobType):
        check_job(InvoicePdf("i-1"), JobRegistry())


ids = st.from_regex(r"[A-Za-z0-9._:-]{1,128}", fullmatch=True)
addresses = st.from_regex(
    r"[a-z0-9]{1,9}([.+_-][a-z0-9]{1,9}){0,2}@[a-z0-9]{1,9}\.example\.(com|org)", fullmatch=True
)
lines = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=99)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400)
jobs = st.one_of(
    st.builds(
        EmailJob,
        message_id=ids,
        recipient=addresses,
        subject=lines,
        content=texts,
        priority=st.sampled_from(["high", "normal", "low"]),
    ),
    st.builds(SmsJob, message_id=ids, recipient=st.just("+14155552671"), content=texts),
    st.builds(
        ExportJob,
        export_id=ids,
        user_id=ids,
        filters=st.dictionaries(texts, texts | st.integers(-9, 9), max_size=3),
        format=st.sampled_from(["csv", "json"]),
    ),
    st.builds(
        CleanupJob,
        target=st.sampled_from(["audit_logs", "message_queue", "temp_files"]),
        older_than=st.datetimes(max_value=datetime(2026, 6, 15), timezones=st.just(UTC)),
    ),
)


@quick
@given(job=jobs)
def test_valid_jobs_come_through_unchanged(registry, job):
    """What was checked once reads back equal from its own JSON."""
    data = registry.encode(job)

    assert job == decode_job(data, registry, clock=NOON) == check_job(job, registry, clock=NOON)


CANARY = "Zanzibar"
SECRETS = [
    CANARY,
    f"{CANARY} <a@example.com>",
    f"{CANARY}\r\nBcc: x",
    f"{CANARY}@",
    f"a@{CANARY}",
    f"a@{CANARY}.invalid",
    f"{CANARY}@[{CANARY}]",
    f'"{CANARY}"@example.com',
    f"é{CANARY}..@example.com",
    f"a@xn--{CANARY}.com",
    f"a@é--{CANARY}.de",
    CANARY * 20_000,
    [CANARY],
    {CANARY: CANARY},
    {"a": [CANARY]},
    "",
    None,
    4,
    f"\ud800{CANARY}",
]


def told(error: BaseException) -> Iterator[str]:
    """Everything an error and what it was raised from could tell."""
    seen: BaseException | None = error
    while seen is not None:
        yield from (str(seen), repr(seen), repr(seen.args), repr(vars(seen)))
        seen = seen.__cause__ or seen.__context__


@pytest.mark.parametrize(
    "kind", ["email_send", "sms_send", CANARY, None], ids=["email", "sms", "unknown", "none"]
)
@pytest.mark.parametrize("field", ["recipient", "subject", "content", "priority", "messageId", "filters"])
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_no_error_repeats_a_value(registry, kind, field, secret):
    """Whatever is put into whichever field, and broken however, no error tells it, nor what it was raised from."""
    wire = an_email(**{field: secret, "type": kind, "olderThan": 1, CANARY + " x": 1})
    data = json.dumps(wire).encode()

    for form in (
        wire,
        data,
        data.decode(),
        data[:-1],
        data + b",",
        data.replace(b"an", b"\xff"),
        b"[" + data + b"]",
    ):
        with pytest.raises(JobInvalid) as caught:
            decode_job(form, registry)
        assert not [text for text in told(caught.value) if CANARY in text]


@quick
@given(data=st.binary(max_size=60) | st.text(max_size=60))
def test_any_input_is_answered_with_problems(registry, data):
    """Garbage is refused with reasons, never with another error."""
    with pytest.raises(JobInvalid) as caught:
        decode_job(data, registry)

    assert all(problem.field and problem.reason for problem in caught.value.problems)


scraps = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.dates(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@quick
@given(
    kind=st.sampled_from(["email_send", "sms_send", "export_generation", "cleanup", "invoice_pdf"]),
    fields=st.dictionaries(
        st.sampled_from(
            [
                "messageId",
                "recipient",
                "subject",
                "content",
                "priority",
                "exportId",
                "filters",
                "userId",
                "format",
                "target",
                "olderThan",
                "invoiceId",
                "lines",
                "colour",
                "size",
            ]
        ),
        scraps,
    ),
)
def test_any_mapping_is_answered_with_a_job_or_problems(registry, kind, fields):
    """Whatever Python values come, the answer is a job or its problems."""
    wire = {"type": kind, **fields}
    try:
        told = registry.type_of(decode_job(wire, registry, clock=NOON))
    except JobInvalid as refusal:
        told = str(refusal)

    assert told
