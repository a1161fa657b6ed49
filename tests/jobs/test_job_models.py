"""The built-in jobs and the rules of their values. Promised in `postroom.jobs.models`."""

import sys
from datetime import UTC, datetime, timedelta, timezone

import email_validator
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.jobs import models
from postroom.jobs.models import CleanupJob, EmailJob, ExportJob, Refused, SmsJob, Surroundings, priority_of
from postroom.kit.clock import SystemClock, to_us
from postroom.queues.errors import MissingDependency

quick = settings(deadline=None, database=None)

EMAIL = EmailJob(
    message_id="m-1",
    recipient="jane@example.com",
    subject="Your results",
    content="All is well.",
    priority="high",
)
SMS = SmsJob(message_id="m-2", recipient="+14155552671", content="Your code is 1234")
EXPORT = ExportJob(export_id="e-1", filters={"patient": "Jane Doe"}, user_id="u-1", format="csv")
CLEANUP = CleanupJob(target="temp_files", older_than=datetime(2026, 1, 1, tzinfo=UTC))


class StoppedClock(SystemClock):
    """A clock that always shows noon of 2026-06-15 UTC."""

    def now_us(self) -> int:
        return to_us(datetime(2026, 6, 15, 12, tzinfo=UTC))


NOON = Surroundings(clock=StoppedClock())


@pytest.mark.parametrize(
    ("job", "secrets"),
    [
        pytest.param(EMAIL, ["jane@example.com", "Your results", "All is well"], id="email"),
        pytest.param(SMS, ["+14155552671", "1234"], id="sms"),
        pytest.param(EXPORT, ["Jane Doe"], id="export"),
    ],
)
def test_repr_hides_health_data(job, secrets):
    """Neither `repr` nor rich's own way of printing shows recipient, subject, content or filters."""
    shown = [repr(job), str(job), f"{job}", repr(job.__rich_repr__())]

    assert not [secret for secret in secrets for text in shown if secret in text]


def test_repr_shows_what_may_be_shown():
    """Ids, priority and format stay visible, for logs and debuggers."""
    assert repr(EMAIL) == (
        "EmailJob(message_id='m-1', recipient='<hidden>', subject='<hidden>', content='<hidden>', priority='high')"
    )


@pytest.mark.parametrize("job", [EMAIL, SMS, EXPORT, CLEANUP], ids=lambda job: type(job).__name__)
def test_jobs_are_frozen(job):
    """A job is a value."""
    with pytest.raises(AttributeError):
        setattr(job, job.__struct_fields__[0], "other")


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        pytest.param(EMAIL, "high", id="own-field"),
        pytest.param(SMS, "normal", id="default"),
        pytest.param(EXPORT, "normal", id="export"),
        pytest.param(CLEANUP, "normal", id="cleanup"),
        pytest.param(msgspec.defstruct("Other", [])(), "normal", id="without-priority"),
        pytest.param(msgspec.defstruct("Odd", [("priority", int, 3)])(), "normal", id="something-else"),
    ],
)
def test_priority_of(job, expected):
    """Every job has a priority, also where its model has none."""
    assert priority_of(job) == expected


@pytest.mark.parametrize("job", [EXPORT, CLEANUP], ids=lambda job: type(job).__name__)
def test_default_priority_is_not_a_field(job):
    """The reference document gives exports and cleanups no priority, so it is not on the wire."""
    assert b"priority" not in msgspec.json.encode(job)


def refusal(rule, value, around=models.USUAL) -> str:
    """The reason for which a rule refuses a value."""
    with pytest.raises(Refused) as caught:
        rule(value, around)
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["a", "m-1", "A.b_c:d-9", "x" * 128], ids=["one", "usual", "all-signs", "longest"]
)
def test_id_is_accepted(text):
    """1..128 characters of letters, digits and . _ : -"""
    assert text == models.check_id(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "must not be empty", id="empty"),
        pytest.param("x" * 129, "has 129 characters; at most 128", id="long"),
        pytest.param("a b", "may only hold", id="space"),
        pytest.param("a/b", "may only hold", id="slash"),
        pytest.param("ä", "may only hold", id="not-ascii"),
        pytest.param("a\n", "may only hold", id="trailing-newline"),
        pytest.param("٣", "may only hold", id="arabic-digit"),
    ],
)
def test_id_is_refused(text, reason):
    """Each refusal says which rule is broken."""
    assert reason in refusal(models.check_id, text)


@pytest.mark.parametrize(
    "text",
    ["Hi", "x" * 998, "Grüße 👩‍⚕️", "non\xa0breaking"],
    ids=["usual", "longest", "emoji-joiner", "nbsp"],
)
def test_subject_is_accepted(text):
    """Any text without breaks or controls, up to 998 characters."""
    assert text == models.check_subject(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "must not be empty", id="empty"),
        pytest.param("x" * 999, "has 999 characters; at most 998", id="long"),
        pytest.param("a\r\nBcc: b@example.com", "line breaks or control", id="crlf"),
        pytest.param("a\nb", "line breaks or control", id="lf"),
        pytest.param("a\rb", "line breaks or control", id="cr"),
        pytest.param("a\tb", "line breaks or control", id="tab"),
        pytest.param("a\x00b", "line breaks or control", id="nul"),
        pytest.param("a\x7fb", "line breaks or control", id="del"),
        pytest.param("a\x85b", "line breaks or control", id="next-line"),
        pytest.param("a\u2028b", "line breaks or control", id="line-separator"),
    ],
)
def test_subject_is_refused(text, reason):
    """A subject is one header line: nothing in it may begin another."""
    assert reason in refusal(models.check_subject, text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        pytest.param(models.check_email_content, "x" * 100_000, id="email-ascii"),
        pytest.param(models.check_email_content, "é" * 50_000, id="email-two-bytes"),
        pytest.param(models.check_email_content, "two\nlines", id="email-lines"),
        pytest.param(models.check_sms_content, "x" * 1_600, id="sms-ascii"),
        pytest.param(models.check_sms_content, "é" * 1_600, id="sms-characters-not-bytes"),
    ],
)
def test_content_is_accepted(rule, text):
    """Emails are measured in bytes, texts in characters."""
    assert text == rule(text)


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        pytest.param(models.check_email_content, "", "must not be empty", id="email-empty"),
        pytest.param(
            models.check_email_content, "x" * 100_001, "has 100,001 bytes; at most 100,000", id="email-long"
        ),
        pytest.param(
            models.check_email_content, "é" * 50_001, "has 100,002 bytes; at most 100,000", id="email-bytes"
        ),
        pytest.param(models.check_sms_content, "", "must not be empty", id="sms-empty"),
        pytest.param(
            models.check_sms_content, "x" * 1_601, "has 1,601 characters; at most 1,600", id="sms-long"
        ),
    ],
)
def test_content_is_refused(rule, text, reason):
    """A refusal has the size and the limit."""
    assert reason == refusal(rule, text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("jane@example.com", "jane@example.com", id="plain"),
        pytest.param("Jane.Doe+tag@Example.COM", "Jane.Doe+tag@example.com", id="domain-lower-cased"),
        pytest.param("jane@bücher.de", "jane@xn--bcher-kva.de", id="domain-in-ascii"),
        pytest.param("jane@xn--bcher-kva.de", "jane@xn--bcher-kva.de", id="domain-is-ascii"),
        pytest.param("jane@example。com", "jane@example.com", id="ideographic-full-stop"),
        pytest.param("jürgen@example.com", "jürgen@example.com", id="local-part-not-ascii"),
        pytest.param("o'hara!x@example.com", "o'hara!x@example.com", id="signs"),
        pytest.param(f"{'a' * 64}@example.com", f"{'a' * 64}@example.com", id="longest-local-part"),
        pytest.param("jane@clinic.test", "jane@clinic.test", id="test-domain"),
    ],
)
def test_address_is_normalised(text, expected):
    """The domain becomes lower-case ASCII; what stands before the @ is the recipient's business."""
    assert models.check_address(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "must not be empty", id="empty"),
        pytest.param("jane", "has no @", id="no-at"),
        pytest.param("@example.com", "is not valid before the @", id="no-local-part"),
        pytest.param("jane@", "has no valid mail domain after the @", id="no-domain"),
        pytest.param("jane@example", "has no valid mail domain after the @", id="no-dot"),
        pytest.param("jane@localhost", "has no valid mail domain after the @", id="localhost"),
        pytest.param("jane@x.invalid", "has no valid mail domain after the @", id="reserved"),
        pytest.param("jane@[127.0.0.1]", "has no valid mail domain after the @", id="literal"),
        pytest.param("jane@exa mple.com", "has no valid mail domain after the @", id="space-in-domain"),
        pytest.param("jane@example.com\n", "has no valid mail domain after the @", id="trailing-newline"),
        pytest.param("jane@-x-.com", "has no valid mail domain after the @", id="dashes"),
        pytest.param("Jane <jane@example.com>", "must be a bare address", id="display-name"),
        pytest.param("<jane@example.com>", "must be a bare address", id="angle-brackets"),
        pytest.param("a@example.com,b@example.com", "must be exactly one address", id="two"),
        pytest.param("a@b@example.com", "must be exactly one address", id="two-ats"),
        pytest.param("jane doe@example.com", "must not hold spaces", id="space"),
        pytest.param(" jane@example.com", "must not hold spaces", id="leading-space"),
        pytest.param("ja\r\nne@example.com", "must not hold line breaks", id="crlf"),
        pytest.param("jane..doe@example.com", "is not valid before the @", id="two-dots"),
        pytest.param(".jane@example.com", "is not valid before the @", id="leading-dot"),
        pytest.param('"jane"@example.com', "is not valid before the @", id="quoted"),
        pytest.param(f"{'a' * 65}@example.com", "is not valid before the @", id="local-part-too-long"),
        pytest.param("a" * 250 + "@example.com", "has 262 characters; at most 254", id="too-long"),
        pytest.param(
            "a" * 60 + "@" + ".".join(["é"] * 25) + ".example.com",
            "is too long: at most 254",
            id="long-in-ascii",
        ),
    ],
)
def test_address_is_refused(text, reason):
    """Each refusal says what is wrong without quoting the address."""
    assert reason in refusal(models.check_address, text)


def test_address_under_test_can_be_refused():
    """In production an address that can never be delivered is better refused than retried."""
    production = Surroundings(test_domains=False)

    assert (
        refusal(models.check_address, "a@clinic.test", production) == "has no valid mail domain after the @"
    )
    assert models.check_address("a@clinic.test") == "a@clinic.test"


LOCAL_CHARACTERS = "aZ09.+-_'!#$%&*/=?^`{|}~ \"@<>(),:;[]\\é\u0301\u200b\n"
DOMAIN_CHARACTERS = "aZ09.-_é。 [\n"


@quick
@given(
    local=st.text(LOCAL_CHARACTERS, min_size=1, max_size=70),
    domain=st.text(DOMAIN_CHARACTERS, max_size=8).map(lambda start: f"{start}x.com")
    | st.sampled_from(["example.com", "EXAMPLE.org", "bücher.de", "x.test"]),
)
def test_address_is_never_laxer_than_email_validator(local, domain):
    """The quick way for usual addresses accepts nothing that email-validator does not, and yields the same."""
    try:
        mine = models.check_address(f"{local}@{domain}")
    except Refused:
        return
    theirs = email_validator.validate_email(
        f"{local}@{domain}", check_deliverability=False, test_environment=True
    )

    assert f"{theirs.local_part}@{theirs.ascii_domain}".lower() == mine.lower()


@quick
@given(local=st.from_regex(r"[a-z0-9]{1,8}([.+_-][a-z0-9]{1,8}){0,3}", fullmatch=True))
def test_address_of_the_usual_kind_is_accepted_as_it_stands(local):
    """Nothing is changed or refused about a usual address."""
    assert f"{local}@example.com" == models.check_address(f"{local}@example.com")


def test_addresses_are_not_remembered():
    """The cache of domains is bounded and holds no address."""
    models.check_address("jane@remembered.example.com")
    info = models._domain.cache_info()

    assert info.maxsize == models.DOMAINS_REMEMBERED
    assert models._domain("remembered.example.com", True) == "remembered.example.com"
    assert info.misses == models._domain.cache_info().misses


@pytest.mark.parametrize("text", ["+14155552671", "+442071838750", "+4930123456"], ids=["us", "uk", "de"])
def test_phone_is_accepted(text):
    """E.164 numbers that are possible in their country."""
    assert text == models.check_phone(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", "must be an E.164 number", id="empty"),
        pytest.param("4155552671", "must be an E.164 number", id="no-plus"),
        pytest.param("+1 415 555 2671", "must be an E.164 number", id="spaces"),
        pytest.param("+0415552671", "must be an E.164 number", id="country-code-zero"),
        pytest.param("+123456", "must be an E.164 number", id="short"),
        pytest.param("+1234567890123456", "must be an E.164 number", id="long"),
        pytest.param("+14155552671\n", "must be an E.164 number", id="trailing-newline"),
        pytest.param("+1415555267٣", "must be an E.164 number", id="arabic-digit"),
        pytest.param("+1415555", "is not a possible number", id="impossible-in-its-country"),
        pytest.param("+15552671", "is not a possible number", id="without-area-code"),
        pytest.param("+99912345678", "is not a possible number", id="no-such-country"),
    ],
)
def test_phone_is_refused(text, reason):
    """Each refusal says what is wrong without quoting the number."""
    assert reason in refusal(models.check_phone, text)


def test_past_moment_is_given_in_utc():
    """Moments are normalised to UTC."""
    moment = datetime(2026, 6, 15, 13, tzinfo=timezone(timedelta(hours=2)))

    past = models.check_past(moment, NOON)

    assert (datetime(2026, 6, 15, 11, tzinfo=UTC), UTC) == (past, past.tzinfo)


def test_present_is_not_the_future():
    """A cleanup of everything up to now is allowed."""
    noon = datetime(2026, 6, 15, 12, tzinfo=UTC)

    assert models.check_past(noon, NOON) == noon


def test_future_moment_is_refused():
    """A cleanup of what is older than a future moment would delete everything."""
    assert "lies in the future" in refusal(
        models.check_past, datetime(2026, 6, 15, 12, 0, 1, tzinfo=UTC), NOON
    )


@pytest.mark.parametrize(
    ("module", "check", "value"),
    [
        pytest.param("email_validator", models.check_address, "a@never-seen-before.example.com", id="email"),
        pytest.param("phonenumbers", models.check_phone, "+14155552671", id="phone"),
    ],
)
def test_missing_extra_names_the_command(monkeypatch, module, check, value):
    """Without the `service` extra the refusal says how to install it."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(MissingDependency) as caught:
        check(value)

    assert 'pip install "postroom[service]"' in str(caught.value)
    assert value not in str(caught.value)


RULES = [
    models.check_id,
    models.check_subject,
    models.check_email_content,
    models.check_sms_content,
    models.check_address,
    models.check_phone,
]


def answer(rule, text: str) -> str:
    """The value as a rule gives it back, or the reason why it does not."""
    try:
        return f"value: {rule(text)}"
    except Refused as reason:
        return f"reason: {reason}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@quick
@given(text=st.text(min_size=7, max_size=40))
def test_rule_answers_any_text(rule, text):
    """Whatever text comes, a rule gives it back or says why not, without repeating it."""
    told = answer(rule, text)

    assert told.startswith("value: ") or text not in told
