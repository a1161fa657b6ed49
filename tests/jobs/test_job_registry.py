"""Which job types there are, how they are written and read. Promised in `postroom.jobs.registry`."""

import functools
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.jobs.models import CleanupJob, EmailJob, ExportJob, SmsJob
from postroom.jobs.outcome import Done, JobContext, Outcome
from postroom.jobs.registry import JobRegistry, RegistryError, UnknownJobType

quick = settings(deadline=None, database=None)

CANARY = "jane.doe@clinic.example"


class InvoicePdf(msgspec.Struct, rename="camel"):
    """A user's job, as the guide shows it."""

    invoice_id: str
    copies: int = 1


class Tagged(msgspec.Struct, tag="tagged_job", tag_field="type", forbid_unknown_fields=True):
    """A user's job with a tag of its own."""

    name: str


class Empty(msgspec.Struct):
    """A user's job without fields."""


async def work(job: Any, context: JobContext) -> Outcome | None:
    """Do nothing."""


async def other_work(job: Any, context: JobContext) -> Outcome | None:
    """Do nothing, differently."""


@pytest.fixture
def registry() -> JobRegistry:
    """A registry with the built-in types and three of a user's."""
    registry = JobRegistry()
    registry.job("invoice_pdf")(InvoicePdf)
    registry.add(Tagged)
    registry.add(Empty, type="empty")
    return registry


def test_registry_starts_with_the_four_built_in_types():
    """A new registry knows the reference document's jobs and has no processors."""
    registry = JobRegistry()

    assert registry.types == ("cleanup", "email_send", "export_generation", "sms_send")
    assert registry.types == registry.unprocessed


def test_job_decorator_registers_and_returns_the_model():
    """The decorated class stays what it was."""
    registry = JobRegistry()

    @registry.job("lab_report")
    class LabReport(msgspec.Struct, rename="camel"):
        report_id: str

    assert registry.model("lab_report") is LabReport
    assert registry.type_of(LabReport("r-1")) == "lab_report"


def test_registries_do_not_share_types(registry):
    """A job type belongs to the registry it was added to."""
    with pytest.raises(UnknownJobType):
        JobRegistry().model("invoice_pdf")


@pytest.mark.parametrize(
    ("job", "wire"),
    [
        pytest.param(
            EmailJob(message_id="m-1", recipient="a@example.com", subject="s", content="c"),
            {
                "type": "email_send",
                "messageId": "m-1",
                "recipient": "a@example.com",
                "subject": "s",
                "content": "c",
                "priority": "normal",
            },
            id="email",
        ),
        pytest.param(
            SmsJob(message_id="m-1", recipient="+14155552671", content="c", priority="low"),
            {
                "type": "sms_send",
                "messageId": "m-1",
                "recipient": "+14155552671",
                "content": "c",
                "priority": "low",
            },
            id="sms",
        ),
        pytest.param(
            ExportJob(export_id="e-1", filters={"a": [1, None]}, user_id="u-1", format="csv"),
            {
                "type": "export_generation",
                "exportId": "e-1",
                "filters": {"a": [1, None]},
                "userId": "u-1",
                "format": "csv",
                "columns": None,
                "compression": "none",
                "notify": False,
            },
            id="export",
        ),
        pytest.param(
            CleanupJob(target="temp_files", older_than=datetime(2026, 1, 31, tzinfo=UTC)),
            {"type": "cleanup", "target": "temp_files", "olderThan": "2026-01-31T00:00:00Z", "dryRun": False},
            id="cleanup",
        ),
        pytest.param(
            InvoicePdf("i-1"), {"type": "invoice_pdf", "invoiceId": "i-1", "copies": 1}, id="untagged"
        ),
        pytest.param(Tagged("n"), {"type": "tagged_job", "name": "n"}, id="tagged"),
        pytest.param(Empty(), {"type": "empty"}, id="without-fields"),
    ],
)
def test_encode_writes_the_type_and_camel_case(registry, job, wire):
    """The wire form is the reference document's, and reads back as the same job of the same class."""
    data = registry.encode(job)

    assert wire == json.loads(data)
    assert next(iter(json.loads(data))) == "type"
    assert (registry.decode(data), type(registry.decode(data))) == (job, type(job))
    assert (registry.convert(wire), type(registry.convert(wire))) == (job, type(job))


text = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
priorities = st.sampled_from(["high", "normal", "low"])
jobs = st.one_of(
    st.builds(EmailJob, message_id=text, recipient=text, subject=text, content=text, priority=priorities),
    st.builds(SmsJob, message_id=text, recipient=text, content=text, priority=priorities),
    st.builds(
        ExportJob,
        export_id=text,
        filters=st.dictionaries(text, json_values, max_size=3),
        user_id=text,
        format=st.sampled_from(["csv", "json"]),
    ),
    st.builds(
        CleanupJob,
        target=st.sampled_from(["audit_logs", "message_queue", "temp_files"]),
        older_than=st.datetimes(timezones=st.just(UTC)),
    ),
    st.builds(InvoicePdf, invoice_id=text, copies=st.integers(-(2**63), 2**63 - 1)),
    st.builds(Tagged, name=text),
    st.builds(Empty),
)
ALL_TYPES = JobRegistry()
ALL_TYPES.add(InvoicePdf, type="invoice_pdf")
ALL_TYPES.add(Tagged)
ALL_TYPES.add(Empty, type="empty")


@quick
@given(job=jobs)
def test_encode_and_decode_are_inverse(job):
    """What is written reads back equal, as bytes and as text."""
    data = ALL_TYPES.encode(job)

    assert job == ALL_TYPES.decode(data) == ALL_TYPES.decode(data.decode())


def test_type_may_come_last(registry):
    """The order of an object's members means nothing."""
    assert registry.decode(b'{"invoiceId": "i-1", "type": "invoice_pdf"}') == InvoicePdf("i-1")


def test_decode_learns_types_that_come_later(registry):
    """A type may be added after the first job was read."""
    registry.decode(b'{"type": "tagged_job", "name": "n"}')

    registry.add(msgspec.defstruct("Late", [("n", int)], tag="late", tag_field="type"))

    assert registry.decode(b'{"type": "late", "n": 1}').n == 1


def test_encode_refuses_an_unknown_class_by_its_name():
    """A job nobody registered cannot be written; the text names the class and the known types."""
    with pytest.raises(
        UnknownJobType, match=r"InvoicePdf is not a registered job type; known types: cleanup, "
    ) as caught:
        JobRegistry().encode(InvoicePdf(CANARY))

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "filters",
    [{"who": "\ud800" + CANARY}, {"who": object()}, {CANARY: {1: object()}}],
    ids=["lone-surrogate", "object", "nested"],
)
def test_encode_refuses_what_json_cannot_hold(registry, filters):
    """The text names the type and the kind of failure, and nothing of the value is kept with the error."""
    with pytest.raises(TypeError, match='"export_generation" job cannot be written as JSON') as caught:
        registry.encode(ExportJob(export_id="e", filters=filters, user_id="u", format="csv"))

    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("target", ["email_send", EmailJob], ids=["by-name", "by-model"])
def test_processor_decorator_returns_the_function(target):
    """A processor is found by its type and stays an ordinary function."""
    registry = JobRegistry()

    decorated = registry.processor(target)(work)

    assert decorated is work is registry.processor_of("email_send")
    assert "email_send" not in registry.unprocessed


def test_add_takes_model_and_processor_at_once():
    """The plain way does what both decorators do."""
    registry = JobRegistry()

    registry.add(InvoicePdf, work, type="invoice_pdf")

    assert registry.processor_of("invoice_pdf") is work


def test_add_gives_a_built_in_model_its_processor():
    """A model that is known already only gets its processor."""
    registry = JobRegistry()

    registry.add(SmsJob, work)

    assert registry.processor_of("sms_send") is work


class Callable:
    """An object with an asynchronous call."""

    async def __call__(self, job: Any, context: JobContext) -> Outcome | None:
        return Done()

    async def method(self, job: Any, context: JobContext) -> Outcome | None:
        return Done()


@pytest.mark.parametrize(
    "processor",
    [work, functools.partial(work), Callable(), Callable().method],
    ids=["function", "partial", "object", "method"],
)
def test_processor_may_be_anything_asynchronous(processor):
    """Functions, partials, callable objects and methods all do."""
    registry = JobRegistry()

    registry.processor("cleanup")(processor)

    assert registry.processor_of("cleanup") is processor


@pytest.mark.parametrize(
    "processor", [lambda job, context: None, int, 3], ids=["function", "class", "number"]
)
def test_processor_must_be_asynchronous(processor):
    """Postroom is asyncio only: a synchronous processor is refused when it is declared."""
    with pytest.raises(RegistryError, match='processor of "cleanup" must be an `async def`'):
        JobRegistry().processor("cleanup")(processor)


def test_second_processor_is_refused():
    """A type has one processor; the text names the first."""
    registry = JobRegistry()
    registry.processor(EmailJob)(work)

    with pytest.raises(RegistryError, match=r'"email_send" has a processor already: .*\.work'):
        registry.processor("email_send")(other_work)


@pytest.mark.parametrize("target", ["emial_send", InvoicePdf], ids=["name", "model"])
def test_processor_of_an_unknown_type_is_refused_at_once(target):
    """A typo is found when the decorator is written, not when a job comes."""
    with pytest.raises(UnknownJobType, match="known types: cleanup, email_send"):
        JobRegistry().processor(target)


class OwnType(msgspec.Struct):
    """A model with a field that is called `type`."""

    type: str


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A model that would refuse its own type."""

    name: str


class Renamed(msgspec.Struct, tag="renamed"):
    """A model whose tag has another value."""


class OtherField(msgspec.Struct, tag="other_field", tag_field="kind"):
    """A model whose tag is in another field."""


class Numbered(msgspec.Struct, tag=7):
    """A model whose tag is a number."""


class Listed(msgspec.Struct, array_like=True):
    """A model that would be an array."""


class Unreadable(msgspec.Struct):
    """A model that JSON cannot fill."""

    both: InvoicePdf | Empty


@pytest.mark.parametrize(
    ("model", "name", "reason"),
    [
        pytest.param(dict, "a_dict", "must be a subclass of msgspec.Struct", id="not-a-struct"),
        pytest.param(InvoicePdf("i"), "a_job", "must be a subclass of msgspec.Struct", id="an-instance"),
        pytest.param(InvoicePdf, None, "needs a type name", id="no-name"),
        pytest.param(InvoicePdf, "", "is not a name", id="empty-name"),
        pytest.param(InvoicePdf, "InvoicePdf", "is not a name", id="upper-case"),
        pytest.param(InvoicePdf, "1st", "is not a name", id="digit-first"),
        pytest.param(InvoicePdf, "a-b", "is not a name", id="dash"),
        pytest.param(InvoicePdf, "a\n", "is not a name", id="trailing-newline"),
        pytest.param(InvoicePdf, "a" * 65, "is not a name", id="long-name"),
        pytest.param(
            InvoicePdf, "email_send", '"email_send" is taken by postroom.jobs.models.EmailJob', id="taken"
        ),
        pytest.param(EmailJob, "mail", "has the tag 'email_send'", id="built-in-under-another-name"),
        pytest.param(EmailJob, None, 'EmailJob is registered already, as "email_send"', id="built-in-again"),
        pytest.param(Renamed, "other_name", "has the tag 'renamed' in the field 'type'", id="other-tag"),
        pytest.param(OtherField, "other_field", "in the field 'kind'", id="other-tag-field"),
        pytest.param(Numbered, "numbered", "has the tag 7", id="number-as-tag"),
        pytest.param(OwnType, "own_type", 'has a field "type"', id="field-called-type"),
        pytest.param(
            Strict, "strict", 'declare it with tag="strict", tag_field="type"', id="strict-without-tag"
        ),
        pytest.param(Listed, "listed", "is array_like", id="array"),
        pytest.param(Unreadable, "unreadable", "Unreadable cannot be read from JSON", id="unreadable"),
    ],
)
def test_add_refuses(model, name, reason):
    """A wrong declaration is refused at once, with what to do about it."""
    registry = JobRegistry()

    with pytest.raises(RegistryError) as caught:
        registry.add(model, type=name)

    assert reason in str(caught.value)
    assert registry.types == JobRegistry().types


def test_add_refuses_a_model_under_a_second_name(registry):
    """A job's class says its type, so it has one."""
    with pytest.raises(RegistryError, match='InvoicePdf is registered already, as "invoice_pdf"'):
        registry.add(InvoicePdf, type="invoice_copy")


def test_add_with_a_wrong_processor_registers_nothing():
    """A refused declaration leaves no half of itself behind."""
    registry = JobRegistry()

    with pytest.raises(RegistryError):
        registry.add(InvoicePdf, print, type="invoice_pdf")

    assert "invoice_pdf" not in registry.types
