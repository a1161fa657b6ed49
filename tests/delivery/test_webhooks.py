"""Receivers: who sent it, what it says, and that junk is refused and never crashes (delivery/webhooks)."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from base64 import b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from postroom.delivery import ConfigurationError, DeliveryEvent, SignatureInvalid, WebhookMalformed
from postroom.delivery.testing import ResendDouble, SendGridDouble, TwilioDouble
from postroom.delivery.webhooks import RECEIVERS, Received, Receiver, ReceiverOptions, load_receiver
from postroom.delivery.webhooks.standard import secret_of, sign
from postroom.kit.clock import SystemClock

SECRET = "whsec_" + b64encode(b"s" * 32).decode()
OTHER = "whsec_" + b64encode(b"o" * 32).decode()
URL = "https://postroom.example.org/webhooks/x"
TOPIC = "arn:aws:sns:eu-central-1:1:ours"


def receiver(name: str, *secrets: str, **options: Any) -> Receiver:
    return load_receiver(name, ReceiverOptions(secrets=secrets, **options), SystemClock())


def received(
    body: bytes, headers: dict[str, str] | None = None, url: str = URL, method: str = "POST"
) -> Received:
    return Received(method, url, headers or {}, body)


async def accepted(one: Receiver, request: Received) -> Sequence[DeliveryEvent]:
    await one.verify(request)
    return one.parse(request)


async def refused(one: Receiver, request: Received) -> bool:
    try:
        await one.verify(request)
    except SignatureInvalid:
        return True
    return False


# Standard Webhooks, checked against their own library.


async def test_standard_webhook_of_their_library_is_accepted() -> None:
    """With either of two secrets, and under Svix's names of the headers."""
    body = json.dumps({"attemptId": "a", "status": "delivered"})
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1", "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }  # fmt: skip
    svix = {name.replace("webhook-", "svix-"): value for name, value in headers.items()}

    for given_headers in (headers, svix):
        (event,) = await accepted(receiver("standard", OTHER, SECRET), received(body.encode(), given_headers))
        assert (event.kind, event.attempt_id, event.event_id) == ("delivered", "a", "msg_1:0")


async def test_our_signature_is_accepted_by_their_library() -> None:
    """What we sign for subscribers."""
    body, stamp = b'{"x":1}', str(int(time.time()))
    headers = {"webhook-id": "1", "webhook-timestamp": stamp}
    signature = sign(secret_of(SECRET), "1", stamp, body)

    assert Webhook(SECRET).verify(body, {**headers, "webhook-signature": signature}) == {"x": 1}


async def test_standard_webhook_signed_with_a_private_key_is_accepted() -> None:
    """Who knows the public key alone cannot sign; old and new keys of both kinds may stand side by side."""
    signer = Ed25519PrivateKey.generate()
    public = "whpk_" + b64encode(signer.public_key().public_bytes_raw()).decode()
    body, stamp = b'{"attemptId":"a","status":"delivered"}', str(int(time.time()))
    signature = b64encode(signer.sign(f"1.{stamp}.".encode() + body)).decode()
    headers = {"webhook-id": "1", "webhook-timestamp": stamp, "webhook-signature": f"v1,x v1a,{signature}"}
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()

    (event,) = await accepted(receiver("standard", SECRET, public), received(body, headers))

    assert event.attempt_id == "a"
    assert await refused(receiver("standard", public), received(body + b" ", headers))
    assert await refused(
        receiver("standard", "whpk_" + b64encode(other).decode(), SECRET), received(body, headers)
    )
    assert await refused(
        receiver("standard", public),
        received(body, {**headers, "webhook-signature": headers["webhook-signature"].replace("v1a", "v1")}),
    )
    with pytest.raises(ConfigurationError, match="whpk_"):
        receiver("standard", "whpk_short")


@pytest.mark.parametrize("change", ["body", "id", "old", "ahead", "secret", "none", "junk"])
async def test_standard_webhook_that_is_not_right_is_refused(change: str) -> None:
    """By body, id, time, secret or for want of a signature."""
    stamp = str(int(time.time()) + {"old": -400, "ahead": 400}.get(change, 0))
    body = b'{"attemptId":"a","status":"sent"}'
    signature = sign(secret_of(OTHER if change == "secret" else SECRET), "1", stamp, body)
    headers = {
        "webhook-id": "2" if change == "id" else "1",
        "webhook-timestamp": stamp,
        "webhook-signature": signature,
    }
    if change == "none":
        del headers["webhook-signature"]
    if change == "junk":
        headers["webhook-signature"] = "v1 , ,, v1,\xff"

    assert await refused(
        receiver("standard", SECRET), received(body + (b" " if change == "body" else b""), headers)
    )


# The reference system's form.


@pytest.mark.parametrize("form", ["sha256", "t"])
async def test_generic_webhook(form: str) -> None:
    """Both of its headers; another secret or body is refused."""
    body = b'{"messageId":"m-1","status":"bounced","timestamp":"2026-11-23T12:00:00Z"}'
    stamp = str(int(time.time()))
    signed = body if form == "sha256" else f"{stamp}.".encode() + body
    digest = hmac.digest(b"geheim", signed, "sha256").hex()
    headers = {"x-webhook-signature": f"sha256={digest}" if form == "sha256" else f"t={stamp},v1={digest}"}

    (event,) = await accepted(receiver("generic", "alt", "geheim"), received(body, headers))

    assert (event.kind, event.rfc_message_id, event.bounce) == ("bounced", "pr.m-1@", "hard")
    assert await refused(receiver("generic", "other"), received(body, headers))
    assert await refused(receiver("generic", "geheim"), received(body + b" ", headers))
    assert await refused(receiver("generic", "geheim"), received(body))


# Twilio.


async def test_twilio_s_documented_vector() -> None:
    """https://www.twilio.com/docs/usage/security"""
    form = {
        "CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309",
        "To": "+18005551212",
    }  # fmt: skip
    headers = {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"

    await receiver("twilio", "12345").verify(received(urlencode(form).encode(), headers, url))
    await receiver("twilio", "12345").verify(
        received(urlencode(form).encode(), headers, "https://mycompany.com:443/myapp.php?foo=1&bar=2")
    )
    for other in (url.replace("https", "http"), url.replace("foo=1&bar=2", "bar=2&foo=1")):
        assert await refused(receiver("twilio", "12345"), received(urlencode(form).encode(), headers, other))


@pytest.mark.parametrize(("status", "error", "kind", "bounce"), [
    ("sent", None, "sent", None), ("delivered", None, "delivered", None), ("undelivered", 30005, "bounced", "hard"),
    ("undelivered", 30003, "bounced", "soft"), ("failed", 30002, "bounced", "blocked"), ("queued", None, "queued", None),
])  # fmt: skip
async def test_twilio_s_callbacks(status: str, error: int | None, kind: str, bounce: str | None) -> None:
    """With the token that we put into their URL."""
    double = TwilioDouble()
    message = {
        "sid": "SM1",
        "from": "+15005550006",
        "to": "+14155552671",
        "status_callback": f"{URL}?pr=attempt-1",
    }
    url, headers, body = double.callback(message, status, error)

    (event,) = await accepted(receiver("twilio", double.token), received(body, headers, url))

    assert (event.kind, event.bounce, event.attempt_id) == (kind, bounce, "attempt-1")
    assert event.event_id == f"SM1:{status}"
    assert "4155552671" not in repr(event)


async def test_twilio_s_inbound_message() -> None:
    """What a person wrote, with blanks and empty parameters as they were signed."""
    double = TwilioDouble()
    url, headers, body = double.inbound(URL, "+14155552671", " STOP ", Empty="")

    (event,) = await accepted(receiver("twilio", double.token), received(body, headers, url))

    assert (event.kind, event.text, event.recipient) == ("inbound", " STOP ", "+14155552671")


async def test_twilio_s_json_is_checked_by_its_digest() -> None:
    """The URL is signed, and names the body's digest."""
    body = b'{"a":1}'
    url = f"{URL}?bodySHA256={hashlib.sha256(body).hexdigest()}"
    signature = b64encode(hmac.digest(b"token", url.encode(), "sha1")).decode()

    await receiver("twilio", "token").verify(received(body, {"x-twilio-signature": signature}, url))
    assert await refused(receiver("twilio", "token"), received(b"{}", {"x-twilio-signature": signature}, url))


# SendGrid.


@pytest.mark.parametrize(("event", "more", "kind", "bounce"), [
    ("delivered", {}, "delivered", None), ("bounce", {"type": "bounce"}, "bounced", "hard"),
    ("bounce", {"type": "blocked"}, "bounced", "blocked"), ("dropped", {"reason": "Invalid"}, "rejected", None),
    ("spamreport", {}, "complained", None), ("unsubscribe", {}, "unsubscribed", None), ("deferred", {}, "deferred", None),
])  # fmt: skip
async def test_sendgrid_s_events(event: str, more: dict[str, str], kind: str, bounce: str | None) -> None:
    """Signed over the bytes, the last line break included."""
    double = SendGridDouble()
    message = {
        "id": "x1",
        "personalizations": [{"to": [{"email": "a@example.com"}]}],
        "custom_args": {"pr_attempt": "t"},
    }
    headers, body = double.signed([double.event(message, event, **more)])

    (found,) = await accepted(receiver("sendgrid", double.public_key), received(body, headers))

    assert (found.kind, found.bounce, found.attempt_id, found.provider_message_id) == (
        kind,
        bounce,
        "t",
        "x1",
    )
    assert await refused(receiver("sendgrid", double.public_key), received(body.rstrip(), headers))
    assert await refused(receiver("sendgrid", SendGridDouble().public_key), received(body, headers))


async def test_sendgrid_s_library_verifies_the_double() -> None:
    """So that ours is checked against theirs."""
    from sendgrid.helpers.eventwebhook import EventWebhook

    double = SendGridDouble()
    headers, body = double.signed([])
    theirs = EventWebhook()
    key = theirs.convert_public_key_to_ecdsa(double.public_key)

    assert theirs.verify_signature(
        body.decode(), headers["x-twilio-email-event-webhook-signature"],
        headers["x-twilio-email-event-webhook-timestamp"], key,
    )  # fmt: skip


async def test_old_sendgrid_post_is_refused() -> None:
    """They have no window of their own; ours is five minutes."""
    double = SendGridDouble()
    headers, body = double.signed([], at=int(time.time()) - 400)

    assert await refused(receiver("sendgrid", double.public_key), received(body, headers))


# Resend, Postmark, Mailgun, Vonage.


@pytest.mark.parametrize(("kind", "data", "expected", "bounce"), [
    ("delivered", {}, "delivered", None), ("bounced", {"bounce": {"type": "Permanent"}}, "bounced", "hard"),
    ("bounced", {"bounce": {"type": "Transient"}}, "bounced", "soft"), ("complained", {}, "complained", None),
    ("suppressed", {}, "rejected", None), ("failed", {}, "failed", None),
])  # fmt: skip
async def test_resend_s_events(kind: str, data: dict[str, Any], expected: str, bounce: str | None) -> None:
    """Known by svix-id, which is the same over retries."""
    double = ResendDouble()
    headers, body = double.signed(
        double.event({"id": "e1", "to": ["a@example.com"]}, kind, **data), id_="msg_7"
    )

    (event,) = await accepted(receiver("resend", double.webhook_secret), received(body, headers))

    assert (event.kind, event.bounce, event.event_id, event.provider_message_id) == (
        expected,
        bounce,
        "msg_7",
        "e1",
    )


@pytest.mark.parametrize(("entry", "kind", "bounce"), [
    ({"RecordType": "Delivery"}, "delivered", None), ({"RecordType": "Bounce", "Type": "HardBounce"}, "bounced", "hard"),
    ({"RecordType": "Bounce", "Type": "SoftBounce"}, "bounced", "soft"),
    ({"RecordType": "Bounce", "Type": "Transient"}, "deferred", None), ({"RecordType": "SpamComplaint"}, "complained", None),
    ({"RecordType": "SubscriptionChange", "SuppressSending": True}, "unsubscribed", None),
])  # fmt: skip
async def test_postmark_s_events(entry: dict[str, Any], kind: str, bounce: str | None) -> None:
    """Whoever knows the user and the password in the URL."""
    body = json.dumps(
        {"MessageID": "p1", "Recipient": "a@example.com", "Metadata": {"pr_attempt": "t"}, **entry}
    ).encode()
    headers = {"authorization": "Basic " + b64encode(b"us:er").decode()}

    (event,) = await accepted(receiver("postmark", "old:one", "us:er"), received(body, headers))

    assert (event.kind, event.bounce, event.attempt_id) == (kind, bounce, "t")
    assert await refused(receiver("postmark", "us:er2"), received(body, headers))


@pytest.mark.parametrize(("data", "kind"), [
    ({"event": "delivered"}, "delivered"), ({"event": "failed", "severity": "permanent"}, "bounced"),
    ({"event": "failed", "severity": "temporary"}, "deferred"),
    ({"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}, "rejected"),
])  # fmt: skip
async def test_mailgun_s_events(data: dict[str, Any], kind: str) -> None:
    """The token is the event's id, so a replay is a duplicate."""
    stamp = str(int(time.time()))
    digest = hmac.digest(b"key", (stamp + "tok").encode(), "sha256").hex()
    signature = {"timestamp": stamp, "token": "tok", "signature": digest}
    body = json.dumps(
        {"signature": signature, "event-data": {**data, "user-variables": {"pr_attempt": "t"}}}
    ).encode()

    (event,) = await accepted(receiver("mailgun", "key"), received(body))

    assert (event.kind, event.event_id, event.attempt_id) == (kind, "tok", "t")
    assert await refused(receiver("mailgun", "other"), received(body))


@pytest.mark.parametrize(("status", "code", "kind", "bounce"), [
    ("delivered", "0", "delivered", None), ("failed", "3", "bounced", "hard"), ("expired", "2", "bounced", "soft"),
    ("buffered", "0", "deferred", None), ("failed", "6", "bounced", "blocked"),
])  # fmt: skip
async def test_vonage_s_receipts(status: str, code: str, kind: str, bounce: str | None) -> None:
    """A JWT that holds the body's digest; an unsigned one is refused."""
    body = json.dumps(
        {"messageId": "v1", "msisdn": "14155552671", "status": status, "err-code": code, "client-ref": "t"}
    ).encode()
    claims = {"iat": int(time.time()), "iss": "Vonage", "payload_hash": hashlib.sha256(body).hexdigest()}
    headers = {"authorization": "Bearer " + jwt.encode(claims, "s" * 32, "HS256")}

    (event,) = await accepted(receiver("vonage", "s" * 32), received(body, headers))

    assert (event.kind, event.bounce, event.attempt_id) == (kind, bounce, "t")
    assert await refused(receiver("vonage", "x" * 32), received(body, headers))
    assert await refused(receiver("vonage", "s" * 32), received(body + b" ", headers))
    assert await refused(receiver("vonage", "s" * 32), received(body))


@pytest.mark.parametrize("digest", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("form", ["json", "form", "get"])
async def test_vonage_s_sms_signature(form: str, digest: Any) -> None:
    """The SMS API signs its parameters, as its own library does, in each of the ways that it may be called back."""
    from vonage_http_client.auth import Auth

    entry = {
        "messageId": "v1", "msisdn": "14155552671", "status": "delivered", "err-code": "0", "client-ref": "t",
        "nonce": "a&b=c", "timestamp": str(int(time.time())),
    }  # fmt: skip
    entry["sig"] = Auth(api_key="k", signature_secret="secret", signature_method=digest).sign_params(
        {**entry}
    )
    kinds = {"json": "application/json", "form": "application/x-www-form-urlencoded"}
    body = {"json": json.dumps(entry).encode(), "form": urlencode(entry).encode(), "get": b""}[form]
    url = f"{URL}?{urlencode(entry)}" if form == "get" else URL
    request = received(
        body, {"content-type": kinds[form]} if body else {}, url, "GET" if form == "get" else "POST"
    )

    (event,) = await accepted(receiver("vonage", "other", "secret"), request)

    assert (event.kind, event.attempt_id) == ("delivered", "t")
    assert await refused(receiver("vonage", "other"), request)
    changed = request.body.replace(b"v1", b"v2"), request.url.replace("v1", "v2")
    assert await refused(
        receiver("vonage", "secret"), received(changed[0], dict(request.headers), changed[1], request.method)
    )


async def opted_out(one: Receiver, request: Received) -> None:
    """The message was refused, and the person wants no more."""
    refusal, wish = await accepted(one, request)

    assert (refusal.kind, wish.kind) == ("rejected", "unsubscribed")
    assert refusal.event_id != wish.event_id
    assert refusal.recipient == wish.recipient is not None


async def test_opt_out_that_is_told_late_is_learned() -> None:
    """Every provider has a list of its own, and says so in its way."""
    twilio, sendgrid, resend = TwilioDouble(), SendGridDouble(), ResendDouble()
    text = {"sid": "SM1", "from": "+15005550006", "to": "+14155552671", "status_callback": URL}
    url, headers, body = twilio.callback(text, "failed", 21610)
    await opted_out(receiver("twilio", twilio.token), received(body, headers, url))

    mail = {"id": "x1", "personalizations": [{"to": [{"email": "a@example.com"}]}], "custom_args": {}}
    headers, body = sendgrid.signed([sendgrid.event(mail, "dropped", reason="Unsubscribed Address")])
    await opted_out(receiver("sendgrid", sendgrid.public_key), received(body, headers))

    suppressed = {"suppressed": {"reason": "previous_complaint"}}
    headers, body = resend.signed(
        resend.event({"id": "e1", "to": ["a@example.com"]}, "suppressed", **suppressed)
    )
    await opted_out(receiver("resend", resend.webhook_secret), received(body, headers))

    stamp = str(int(time.time()))
    signature = {
        "timestamp": stamp,
        "token": "t",
        "signature": hmac.digest(b"k", f"{stamp}t".encode(), "sha256").hex(),
    }
    data = {
        "event": "failed",
        "severity": "permanent",
        "reason": "suppress-unsubscribe",
        "recipient": "a@example.com",
    }
    await opted_out(
        receiver("mailgun", "k"), received(json.dumps({"signature": signature, "event-data": data}).encode())
    )

    body = json.dumps(
        {"messageId": "v", "msisdn": "14155552671", "status": "rejected", "err-code": "9"}
    ).encode()
    claims = {"iat": int(stamp), "payload_hash": hashlib.sha256(body).hexdigest()}
    bearer = {"authorization": "Bearer " + jwt.encode(claims, "s" * 32, "HS256")}
    await opted_out(receiver("vonage", "s" * 32), received(body, bearer))


# SES by SNS.


class Sns:
    """Signs as SNS does, with a certificate of its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        )
        made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        self.certificate = made.sign(self.key, SHA256()).public_bytes(Encoding.PEM)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return self.certificate

    def post(self, message: Any, *, version: str = "2", **changes: str) -> bytes:
        envelope = {
            "Type": "Notification", "MessageId": "sns-1", "TopicArn": TOPIC, "Message": json.dumps(message),
            "Timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "SignatureVersion": version, "SigningCertURL": "https://sns.eu-central-1.amazonaws.com/x.pem", **changes,
        }  # fmt: skip
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
        if envelope["Type"] != "Notification":
            names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
        signature = self.key.sign(signed, padding.PKCS1v15(), SHA256() if version == "2" else SHA1())
        return json.dumps({**envelope, "Signature": b64encode(signature).decode()}).encode()


@pytest.fixture(scope="module")
def sns() -> Sns:
    return Sns()


SES_BOUNCE = {
    "eventType": "Bounce",
    "bounce": {"bounceType": "Permanent", "timestamp": "2026-11-23T12:00:00.000Z",
               "bouncedRecipients": [{"emailAddress": "a@example.com", "status": "5.1.1", "diagnosticCode": "smtp; x"}]},
    "mail": {"messageId": "s1", "destination": ["a@example.com"], "tags": {"pr_attempt": ["t"]}},
}  # fmt: skip


@pytest.mark.parametrize("version", ["1", "2"])
async def test_ses_event_by_sns(sns: Sns, version: str) -> None:
    """Both versions of the signature; the certificate is fetched once."""
    one = receiver("ses", topics=[TOPIC], fetch=sns.fetch)

    (event,) = await accepted(one, received(sns.post(SES_BOUNCE, version=version)))
    await accepted(one, received(sns.post(SES_BOUNCE, version=version)))

    assert (event.kind, event.bounce, event.attempt_id, event.event_id) == ("bounced", "hard", "t", "sns-1")
    assert (event.code, event.at_us) == ("5.1.1", 1_795_435_200_000_000)


@pytest.mark.parametrize("changes", [
    {"TopicArn": "arn:aws:sns:eu-central-1:2:theirs"}, {"SigningCertURL": "https://evil.example/x.pem"},
    {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem"},
    {"SigningCertURL": "http://sns.eu-central-1.amazonaws.com/x.pem"}, {"Type": "Other"},
    {"Timestamp": "2001-01-01T00:00:00.000Z"},
])  # fmt: skip
async def test_sns_of_somebody_else_is_refused(sns: Sns, changes: dict[str, str]) -> None:
    """Any account can sign validly: the topic has to be ours, the certificate Amazon's."""
    assert await refused(
        receiver("ses", topics=[TOPIC], fetch=sns.fetch), received(sns.post(SES_BOUNCE, **changes))
    )


async def test_changed_sns_message_is_refused(sns: Sns) -> None:
    """Also when only its last line break is missing."""
    body = sns.post(SES_BOUNCE).replace(b"Permanent", b"Transient")

    assert await refused(receiver("ses", topics=[TOPIC], fetch=sns.fetch), received(body))


async def test_subscription_is_confirmed_at_amazon_only(sns: Sns) -> None:
    """The URL is a way into our network otherwise."""
    one: Any = receiver("ses", topics=[TOPIC], fetch=sns.fetch)
    good = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription"
    body = sns.post({}, Type="SubscriptionConfirmation", SubscribeURL=good, Token="t")
    await one.verify(received(body))

    assert one.to_confirm(received(body)) == good
    assert (
        one.to_confirm(received(body.replace(b"sns.eu-central-1.amazonaws.com/?", b"169.254.169.254/?")))
        is None
    )
    assert one.parse(received(body)) == ()


# Junk.


def all_receivers() -> list[Receiver]:
    key = SendGridDouble().public_key
    options = {"sendgrid": [key], "ses": [], "postmark": ["a:b"]}

    async def fetch(url: str) -> bytes:
        raise OSError

    return [
        load_receiver(
            name, ReceiverOptions(secrets=options.get(name, [SECRET]), topics=[TOPIC], fetch=fetch), SystemClock()
        )
        for name in RECEIVERS
    ]  # fmt: skip


JUNK = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
            st.sampled_from(["signature", "event-data", "event", "Type", "TopicArn", "Message", "data", "status", "type",
                             "RecordType", "attemptId", "sg_event_id", "messageId", "timestamp", "token"]), inner, max_size=4),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode()),
)  # fmt: skip


@given(body=JUNK, header=st.text(max_size=20), query=st.text(max_size=10))
def test_junk_is_refused_and_never_crashes(body: bytes, header: str, query: str) -> None:
    """Whatever the body, headers or query: SignatureInvalid or WebhookMalformed."""
    names = ("webhook-id", "webhook-timestamp", "webhook-signature", "x-twilio-signature", "authorization",
             "x-webhook-signature", "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp")  # fmt: skip
    request = received(body, dict.fromkeys(names, header), f"{URL}?{query}")
    for one in RECEIVERS_OF_ALL_KINDS:
        with pytest.raises((SignatureInvalid, WebhookMalformed)):
            asyncio.run(one.verify(request))
        with contextlib.suppress(SignatureInvalid, WebhookMalformed):
            one.parse(request)


RECEIVERS_OF_ALL_KINDS = all_receivers()


@pytest.mark.parametrize("name", sorted(set(RECEIVERS) - {"ses"}))
def test_receiver_without_a_secret_is_a_mistake(name: str) -> None:
    """Nothing is accepted unsigned by omission."""
    with pytest.raises(ConfigurationError):
        receiver(name)


def test_unknown_receiver_lists_the_known_ones() -> None:
    """As everywhere."""
    with pytest.raises(ConfigurationError, match="generic, mailgun"):
        receiver("fax")
