"""HTTP vendors: what is sent, what each answer means, and the vendors' own libraries as the client of the doubles."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from postroom.delivery import (
    ConfigurationError,
    Email,
    Failover,
    LookupFailed,
    Outcome,
    Provider,
    ProviderContext,
    Searchable,
    Sought,
    Text,
    Verdict,
    load,
)
from postroom.delivery.codes import twilio as twilio_codes
from postroom.delivery.codes import vonage as vonage_codes
from postroom.delivery.codes.table import classify
from postroom.delivery.providers import resend as resend_module
from postroom.delivery.providers import ses as ses_module
from postroom.delivery.testing import (
    AcceptAndHangUp,
    AcceptAndReply,
    HangUp,
    Reply,
    ResendDouble,
    SendGridDouble,
    SesDouble,
    TwilioDouble,
    VonageDouble,
)
from postroom.kit.clock import SystemClock

EMAIL = Email(
    message_id="m-1", recipient="anna@example.com", subject="Grüße", content="Um 2 Uhr.", html="<p>Um 2 Uhr.</p>",
    sender="Praxis <praxis@example.org>", headers={"List-Unsubscribe": "<https://example.org/u/" + "x" * 120 + ">"},
    attempt_id="a" * 32, idempotency_key="pr-m-1-1",
)  # fmt: skip
TEXT = Text(message_id="m-1", recipient="+14155552671", content="Morgen um 2.", attempt_id="a" * 32)
DOUBLES: dict[str, Any] = {
    "sendgrid": SendGridDouble, "resend": ResendDouble, "ses": SesDouble, "twilio": TwilioDouble, "vonage": VonageDouble,
}  # fmt: skip
URLS = {
    "sendgrid": "sendgrid://SG.key@?base={}", "resend": "resend://re_key@?base={}",
    "ses": "ses://AKID:SECRET@eu-central-1?base={}", "twilio": "twilio://AC" + "0" * 32 + ":token@?from=%2B15005550006&base={}",
    "vonage": "vonage://key:secret@?from=Praxis&base={}",
}  # fmt: skip
CHANNELS = {"sendgrid": "email", "resend": "email", "ses": "email", "twilio": "sms", "vonage": "sms"}
VENDORS = sorted(DOUBLES)


def envelope_for(vendor: str) -> Email | Text:
    return EMAIL if CHANNELS[vendor] == "email" else TEXT


@contextlib.asynccontextmanager
async def at(vendor: str, public_url: str | None = None) -> AsyncIterator[tuple[Any, Provider]]:
    """A double, and the provider that calls it."""
    async with DOUBLES[vendor]() as double:
        context = ProviderContext({}, public_url)
        provider = load(URLS[vendor].format(double.url), channel=CHANNELS[vendor], context=context)  # type: ignore[arg-type]
        await provider.open()
        try:
            yield double, provider
        finally:
            await provider.close()


@pytest.mark.parametrize("vendor", VENDORS)
async def test_message_is_accepted(vendor: str) -> None:
    """With the provider's id for it."""
    async with at(vendor) as (double, provider):
        outcome = await provider.send(envelope_for(vendor))

        assert outcome.verdict is Verdict.ACCEPTED
        assert outcome.provider == vendor
        assert outcome.provider_message_id
        assert len(double.messages) == 1


@pytest.mark.parametrize("vendor", VENDORS)
async def test_lost_answer_is_unknown(vendor: str) -> None:
    """The vendor took it and the connection was lost: no retry here, no failover."""
    async with at(vendor) as (double, provider):
        double.script(AcceptAndHangUp())

        outcome = await provider.send(envelope_for(vendor))

        assert (outcome.verdict, outcome.failover) == (Verdict.UNKNOWN, Failover.NEVER)
        assert len(double.requests) == 1


@pytest.mark.parametrize("vendor", VENDORS)
async def test_vendor_that_cannot_be_reached_sent_nothing(vendor: str) -> None:
    """Another may be tried at once."""
    async with at(vendor) as (double, provider):
        await double.__aexit__()

        outcome = await provider.send(envelope_for(vendor))

        assert (outcome.verdict, outcome.failover) == (Verdict.REJECTED_TEMPORARY, Failover.NOW)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_throttling_waits_for_as_long_as_is_asked(vendor: str) -> None:
    """429 with Retry-After, from whoever has one."""
    async with at(vendor) as (double, provider):
        double.script(Reply(429, {}, (("Retry-After", "17"),)))

        outcome = await provider.send(envelope_for(vendor))

        assert outcome.verdict is Verdict.THROTTLED
        assert outcome.retry_after_seconds == (None if vendor == "ses" else 17)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [500, 503])
async def test_failure_after_the_request_is_unknown(vendor: str, status: int) -> None:
    """Also where a key makes it safe to call the same provider again: another one would send it twice."""
    async with at(vendor) as (double, provider):
        double.script(AcceptAndReply(status, {"message": "anna@example.com"}))

        outcome = await provider.send(envelope_for(vendor))

        assert (outcome.verdict, outcome.failover) == (Verdict.UNKNOWN, Failover.NEVER)
        assert "anna" not in repr(outcome)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_html_from_a_proxy_breaks_nothing(vendor: str) -> None:
    """Neither does an answer that is none."""
    async with at(vendor) as (double, provider):
        double.script(Reply(413, "<html>too large</html>"), Reply(200, []))

        assert (await provider.send(envelope_for(vendor))).verdict is Verdict.REJECTED_PERMANENT
        second = (await provider.send(envelope_for(vendor))).verdict
        assert second is (Verdict.CONFIG_ERROR if vendor == "sendgrid" else Verdict.UNKNOWN)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_wrong_credentials_are_ours_to_mend(vendor: str) -> None:
    """The circuit opens, another provider is tried."""
    async with DOUBLES[vendor]() as double:
        url = (
            URLS[vendor]
            .format(double.url)
            .replace("SG.key", "x")
            .replace("re_key", "x")
            .replace(":token", ":x")
        )
        url = url.replace(":secret", ":x").replace(":SECRET", ":x")
        provider = load(url, channel=CHANNELS[vendor])  # type: ignore[arg-type]
        await provider.open()

        outcome = await provider.send(envelope_for(vendor))
        await provider.close()

        assert (outcome.verdict, outcome.failover) == (Verdict.CONFIG_ERROR, Failover.NOW)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_nothing_shows_who_it_was_for(vendor: str) -> None:
    """Neither the provider nor its errors show a secret."""
    async with at(vendor) as (_, provider):
        assert "SECRET" not in repr(provider)
        other = TEXT if CHANNELS[vendor] == "email" else EMAIL
        with pytest.raises(TypeError):
            await provider.send(other)


@pytest.mark.parametrize(
    ("url", "channel", "says"),
    [
        ("sendgrid://", "email", "SENDGRID_API_KEY"),
        ("sendgrid://k@?region=mars", "email", "region"),
        ("resend://k@?colour=red", "email", "no option colour"),
        ("resend://k@?base=http://example.com", "email", "https"),
        ("ses://", "email", "region"),
        ("twilio://a:b@", "sms", "from="),
        ("twilio://a:b@?from=1&messaging_service=MG1", "sms", "from="),
        ("vonage://a:b@", "sms", "from="),
        ("vonage://a:b@?from=x&ttl_seconds=1", "sms", "ttl_seconds"),
        ("vonage://a:b@?from=x&from=y", "sms", "twice"),
        ("twilio://a:b@?from=1", "email", "does not send email"),
    ],
)
def test_url_that_makes_no_sense_is_refused(url: str, channel: Any, says: str) -> None:
    """Naming the option, and no secret."""
    with pytest.raises(ConfigurationError, match=says):
        load(url, channel=channel)


def test_credentials_may_come_from_the_settings() -> None:
    """Under the vendors' usual names."""
    context = ProviderContext({"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "t", "RESEND_API_KEY": "k"})

    assert load("twilio://?from=+15005550006", channel="sms", context=context).name == "twilio"
    assert load("resend", channel="email", context=context).name == "resend"


# What is sent.


async def test_sendgrid_gets_one_recipient_and_our_ids() -> None:
    """Message-ID and unsubscribe headers survive; the custom arguments hold ids and nothing else."""
    async with at("sendgrid") as (double, provider):
        await provider.send(EMAIL)

        (message,) = double.messages
        assert message["personalizations"] == [{"to": [{"email": "anna@example.com"}]}]
        assert message["from"] == {"email": "praxis@example.org", "name": "Praxis"}
        assert message["custom_args"] == {"pr_attempt": "a" * 32, "pr_message": "m-1"}
        assert message["headers"]["Message-ID"] == "<pr.m-1@example.org>"


async def test_ses_gets_our_message_to_the_byte() -> None:
    """With one long List-Unsubscribe, the text in both forms, and our token as a tag."""
    async with at("ses") as (double, provider):
        await provider.send(EMAIL)

        (message,) = double.messages
        mail = message["mail"]
        assert (mail["Subject"], mail["Message-ID"]) == ("Grüße", "<pr.m-1@example.org>")
        assert mail["List-Unsubscribe"] == EMAIL.headers["List-Unsubscribe"]
        assert message["EmailTags"] == [{"Name": "pr_attempt", "Value": "a" * 32}]


async def test_resend_sends_once_under_one_key() -> None:
    """The same key and content get the first answer; other content is refused as our mistake."""
    async with at("resend") as (double, provider):
        double.script(AcceptAndHangUp())
        lost = await provider.send(EMAIL)
        again = await provider.send(Email(**{**_fields(EMAIL), "attempt_id": "b" * 32}))
        other = await provider.send(Email(**{**_fields(EMAIL), "content": "Um 3 Uhr."}))

        assert (lost.verdict, again.verdict, other.verdict) == (
            Verdict.UNKNOWN, Verdict.ACCEPTED, Verdict.REJECTED_PERMANENT,
        )  # fmt: skip
        assert len(double.messages) == 1
        assert again.provider_message_id == double.messages[0]["id"]


async def test_twilio_s_callback_carries_our_token() -> None:
    """So that it comes back also when the answer is lost."""
    async with at("twilio", "https://postroom.example.org") as (double, provider):
        await provider.send(TEXT)

        expected = "https://postroom.example.org/webhooks/twilio?pr=" + "a" * 32
        assert double.messages[0]["status_callback"] == expected


async def test_vonage_needs_numbers_without_a_plus_and_marks_unicode() -> None:
    """And brings client-ref back."""
    async with at("vonage") as (double, provider):
        await provider.send(Text(message_id="m", recipient="+14155552671", content="Grüße", attempt_id="t"))

        (message,) = double.messages
        assert (message["to"], message["type"], message["client-ref"]) == ("14155552671", "unicode", "t")


@pytest.mark.parametrize(("number", "code", "verdict"), [
    ("+15005550001", "21211", Verdict.REJECTED_PERMANENT), ("+15005550004", "21610", Verdict.OPTED_OUT),
    ("+15005550002", "21612", Verdict.REJECTED_PERMANENT), ("+15005550009", "21614", Verdict.REJECTED_PERMANENT),
])  # fmt: skip
async def test_twilio_s_magic_numbers(number: str, code: str, verdict: Verdict) -> None:
    """Twilio's own test numbers mean what they say."""
    async with at("twilio") as (_, provider):
        outcome = await provider.send(Text(message_id="m", recipient=number, content="x"))

        assert (outcome.verdict, outcome.code) == (verdict, f"400 {code}")


async def test_vonage_message_of_which_a_part_is_missing_is_unknown() -> None:
    """Sending it again would send the other part twice."""
    parts = {"message-count": "2", "messages": [{"status": "0", "message-id": "x"}, {"status": "5"}]}
    async with at("vonage") as (double, provider):
        double.script(Reply(200, parts))

        assert (await provider.send(TEXT)).verdict is Verdict.UNKNOWN


# Asking afterwards.


async def test_twilio_is_asked_by_number_and_text() -> None:
    """When no SID ever came; and by SID when it did."""
    async with at("twilio") as (double, provider):
        assert isinstance(provider, Searchable)
        since_us = SystemClock().now_us()
        double.script(AcceptAndHangUp())
        await provider.send(TEXT)
        sought = Sought(message_id="m-1", attempt_id="a" * 32, since_us=since_us, envelope=TEXT)

        found = await provider.find(sought)
        assert found is not None
        assert (found.kind, found.provider_message_id) == ("queued", double.messages[0]["sid"])
        double.messages[0] |= {"status": "undelivered", "error_code": 30005}
        again = await provider.find(
            Sought(
                message_id="m-1",
                attempt_id="a",
                since_us=since_us,
                provider_message_id=found.provider_message_id,
            )
        )
        assert again is not None
        assert (again.kind, again.bounce, again.suppress) == ("bounced", "hard", True)


async def test_twilio_that_never_got_it_says_so() -> None:
    """Then it is certainly unsent; what cannot be asked stays unknown."""
    async with at("twilio") as (double, provider):
        assert isinstance(provider, Searchable)
        sought = Sought(message_id="m", attempt_id="a", since_us=SystemClock().now_us(), envelope=TEXT)

        assert await provider.find(sought) is None
        await double.__aexit__()
        with pytest.raises(LookupFailed):
            await provider.find(sought)


async def test_resend_is_asked_by_id() -> None:
    """`last_event` is the answer."""
    async with at("resend") as (double, provider):
        assert isinstance(provider, Searchable)
        sent = await provider.send(EMAIL)
        double.messages[0]["last_event"] = "delivered"

        found = await provider.find(
            Sought(message_id="m", attempt_id="a", since_us=0, provider_message_id=sent.provider_message_id)
        )

        assert found is not None
        assert found.kind == "delivered"
        with pytest.raises(LookupFailed):
            await provider.find(Sought(message_id="m", attempt_id="a", since_us=0))


# Tables.


def _rows(rows: Any) -> list[Any]:
    return [pytest.param(row, id=f"{row.status}-{row.code}") for row in rows]


@pytest.mark.parametrize("rows", [twilio_codes.CALL, vonage_codes.PART, resend_module.ROWS, ses_module.ROWS])
def test_every_row_is_reached(rows: Any) -> None:
    """No row is hidden by one before it, except a broader one."""
    for row in rows:
        status = (
            int(row.status.replace("x", "4" if row.status[0] == "x" else "1"))
            if "x" in row.status
            else int(row.status)
        )
        code = "other" if row.code == "*" else row.code
        first = next(one for one in rows if one.fits(status, code))
        assert first.verdict is row.verdict, (row, first)


@pytest.mark.parametrize(("code", "verdict", "failover"), [
    ("21610", Verdict.OPTED_OUT, Failover.NEVER), ("21612", Verdict.REJECTED_PERMANENT, Failover.NOW),
    ("30007", Verdict.REJECTED_PERMANENT, Failover.NEVER), ("20003", Verdict.CONFIG_ERROR, Failover.NOW),
    ("30410", Verdict.UNKNOWN, Failover.NEVER), ("21611", Verdict.REJECTED_TEMPORARY, Failover.LATER),
    ("29999", Verdict.REJECTED_PERMANENT, Failover.NEVER), ("30034", Verdict.CONFIG_ERROR, Failover.NOW),
])  # fmt: skip
def test_twilio_s_codes(code: str, verdict: Verdict, failover: Failover) -> None:
    """And what is not listed is permanent."""
    outcome = classify(twilio_codes.CALL, 400, code)

    assert (outcome.verdict, outcome.failover) == (verdict, failover)


@pytest.mark.parametrize(("code", "status", "kind", "bounce"), [
    ("30005", "undelivered", "bounced", "hard"), ("30003", "undelivered", "bounced", "soft"),
    ("30007", "undelivered", "bounced", "blocked"), (None, "delivered", "delivered", None),
    ("21610", "failed", "rejected", None), (None, "failed", "failed", None), ("39999", "undelivered", "bounced", "soft"),
    ("30034", "undelivered", "bounced", "blocked"), ("21211", "failed", "rejected", None),
    ("30410", "undelivered", "deferred", None), ("30640", "failed", "rejected", None),
])  # fmt: skip
def test_twilio_s_callback_codes(code: str | None, status: str, kind: str, bounce: str | None) -> None:
    """An unknown code never suppresses a person."""
    found = twilio_codes.callback_class(code, status)

    assert found is not None
    assert (found.kind, found.bounce) == (kind, bounce)
    assert twilio_codes.callback_class(code, "receiving") is None


def test_call_that_is_still_running_is_in_doubt() -> None:
    """Resend may accept the first one yet."""
    assert classify(resend_module.ROWS, 409, "concurrent_idempotent_requests").failover is Failover.NEVER


@pytest.mark.parametrize("name", ["daily_quota_exceeded", "monthly_quota_exceeded"])
def test_quota_is_not_a_throttle(name: str) -> None:
    """It lasts for hours: another provider is tried now."""
    outcome: Outcome = classify(resend_module.ROWS, 429, name)

    assert (outcome.verdict, outcome.failover) == (Verdict.REJECTED_TEMPORARY, Failover.NOW)


# The vendors' own libraries against the doubles: the doubles speak the vendors' language.


async def test_twilio_s_library_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its validator accepts the double's signatures."""
    from twilio.request_validator import RequestValidator
    from twilio.rest import Client

    async with TwilioDouble() as double:

        def send() -> Any:
            client = Client(double.account, double.token)
            client.api.base_url = double.url
            return client.messages.create(
                to="+14155552671", from_="+15005550006", body="Hi", status_callback="https://x/y?pr=1"
            )

        message = await asyncio.to_thread(send)
        url, headers, body = double.callback(double.messages[0], "delivered")

        from urllib.parse import parse_qsl

        assert message.sid == double.messages[0]["sid"]
        assert RequestValidator(double.token).validate(
            url, dict(parse_qsl(body.decode())), headers["x-twilio-signature"]
        )


async def test_sendgrid_s_library_is_served() -> None:
    """Its mail helper makes a request that the double accepts."""
    from sendgrid import SendGridAPIClient
    from sendgrid.helpers.mail import Mail

    async with SendGridDouble() as double:
        mail = Mail("a@example.org", "b@example.com", "Subject", "Content")
        answer = await asyncio.to_thread(SendGridAPIClient(double.key, host=double.url).send, mail)

        assert answer.status_code == 202
        assert double.messages[0]["personalizations"][0]["to"][0]["email"] == "b@example.com"


async def test_resend_s_library_is_served() -> None:
    """With its idempotency option."""
    import resend

    async with ResendDouble() as double:
        resend.api_key, resend.api_url = double.key, double.url
        params: Any = {"from": "a@example.org", "to": "b@example.com", "subject": "S", "text": "T"}
        options: Any = {"idempotency_key": "k-1"}

        first = await asyncio.to_thread(resend.Emails.send, params, options)
        second = await asyncio.to_thread(resend.Emails.send, params, options)

        assert first["id"] == second["id"]
        assert len(double.messages) == 1


async def test_amazon_s_library_is_served() -> None:
    """boto3's sesv2 client."""
    import boto3

    async with SesDouble() as double:
        client = boto3.client(
            "sesv2",
            region_name="eu-central-1",
            endpoint_url=double.url,
            aws_access_key_id="AKID",
            aws_secret_access_key="SECRET",
        )
        answer = await asyncio.to_thread(
            client.send_email, FromEmailAddress="a@example.org", Destination={"ToAddresses": ["b@example.com"]},
            Content={"Simple": {"Subject": {"Data": "S"}, "Body": {"Text": {"Data": "T"}}}},
        )  # fmt: skip

        assert answer["MessageId"] == double.messages[0]["id"]


async def test_vonage_s_library_is_served() -> None:
    """Its SMS client, whose requests always go by https, is led to loopback."""
    from requests.adapters import HTTPAdapter
    from vonage import Auth, HttpClientOptions, Vonage
    from vonage_sms import SmsMessage

    class Plain(HTTPAdapter):
        def send(self, request: Any, *args: Any, **options: Any) -> Any:
            request.url = request.url.replace("https://", "http://")
            return super().send(request, *args, **options)

    async with VonageDouble() as double:

        def send() -> Any:
            host = double.url.removeprefix("http://")
            client = Vonage(Auth(api_key="key", api_secret="secret"), HttpClientOptions(rest_host=host))
            client.http_client._session.mount("https://", Plain())
            return client.sms.send(SmsMessage(to="14155552671", from_="Praxis", text="Hi", client_ref="t"))

        answer = await asyncio.to_thread(send)

        assert answer.messages[0].message_id == double.messages[0]["message-id"]
        assert double.messages[0]["client-ref"] == "t"


async def test_vonage_s_library_verifies_the_double() -> None:
    """Its JWT verifier accepts what the double signs."""
    from vonage_jwt import verify_signature

    double = VonageDouble()
    headers, _ = double.signed({"messageId": "1"})

    assert verify_signature(headers["authorization"].removeprefix("Bearer "), double.signature_secret)


def _fields(email: Email) -> dict[str, Any]:
    return {name: getattr(email, name) for name in email.__struct_fields__}


async def test_hanging_up_before_the_request_was_read_is_unknown_too() -> None:
    """The bytes had left; nobody can tell."""
    async with at("twilio") as (double, provider):
        double.script(HangUp())

        assert (await provider.send(TEXT)).verdict is Verdict.UNKNOWN
