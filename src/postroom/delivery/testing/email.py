"""Doubles of SendGrid v3, Resend and Amazon SES v2."""

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postroom.delivery.testing.loopback import Answer, Request
from postroom.delivery.testing.reports import Callback
from postroom.delivery.testing.script import Double
from postroom.delivery.testing.sns import SnsSigner, is_signed
from postroom.kit.ids import new_id


class SendGridDouble(Double):
    """SendGrid's mail/send, and its signed event webhook."""

    def __init__(self, key: str = "SG.key") -> None:
        super().__init__()
        self.key = key
        self._signer = generate_private_key(SECP256R1())

    @property
    def public_key(self) -> str:
        """What SendGrid's settings show: the key in Base64, without PEM lines."""
        public = self._signer.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return b64encode(public).decode()

    def check(self, request: Request) -> Answer | None:
        """The key, and the fields that the schema requires."""
        if request.headers.get("authorization") != f"Bearer {self.key}":
            return _sendgrid(401, None)
        body = _json(request)
        for field in ("personalizations", "from", "subject", "content"):
            if not body.get(field):
                return _sendgrid(400, field)
        if any(not one.get("to") for one in body["personalizations"]):
            return _sendgrid(400, "personalizations.0.to")
        if {"to", "from", "subject", "reply-to", "cc", "bcc"} & {
            name.lower() for name in body.get("headers", {})
        }:
            return _sendgrid(400, "headers")
        return None

    def take(self, request: Request) -> Answer:
        """202, without a body."""
        id_ = new_id()
        self.messages.append({**_json(request), "id": id_})
        return Answer(202, b"", (("x-message-id", id_),))

    def event(self, message: dict[str, Any], event: str, **more: Any) -> dict[str, Any]:
        """An event as the webhook has it."""
        args = message.get("custom_args", {})
        return {
            "email": message["personalizations"][0]["to"][0]["email"], "timestamp": int(self.now()), "event": event,
            "sg_event_id": new_id(), "sg_message_id": f"{message['id']}.filter", **args, **more,
        }  # fmt: skip

    def signed(self, events: list[dict[str, Any]], *, at: int | None = None) -> tuple[dict[str, str], bytes]:
        """Headers and body of a post of events."""
        body = msgspec.json.encode(events) + b"\r\n"
        stamp = str(at if at is not None else int(self.now()))
        signature = self._signer.sign(stamp.encode() + body, ECDSA(SHA256()))
        return {
            "x-twilio-email-event-webhook-signature": b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": stamp,
            "content-type": "application/json",
        }, body

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """See `Double`; an array of one event."""
        return Callback(self.webhook_url, *self.signed([self.event(message, status, **details)]))


class ResendDouble(Double):
    """Resend's emails with idempotency keys, lookups, and its Svix-signed webhook."""

    def __init__(self, key: str = "re_key") -> None:
        super().__init__()
        self.key = key
        self.webhook_secret = "whsec_" + b64encode(secrets.token_bytes(24)).decode()
        self._keys: dict[str, tuple[str, str]] = {}

    def other(self, request: Request) -> Answer | None:
        """Lookups, and calls whose key was used before."""
        if request.method == "GET":
            id_ = request.target.rpartition("/")[2]
            found = next((one for one in self.messages if one["id"] == id_), None)
            return Answer.json(200, found) if found else _resend(404, "not_found")
        known = self._keys.get(request.headers.get("idempotency-key", ""))
        if known is None:
            return None
        if known[1] != hashlib.sha256(request.body).hexdigest():
            return _resend(409, "invalid_idempotent_request")
        return Answer.json(200, {"id": known[0]})

    def check(self, request: Request) -> Answer | None:
        """The key, and the fields that the schema requires."""
        given = request.headers.get("authorization", "")
        if given != f"Bearer {self.key}":
            return _resend(401 if not given else 403, "missing_api_key" if not given else "invalid_api_key")
        body = _json(request)
        if any(not body.get(field) for field in ("from", "to", "subject")):
            return _resend(422, "missing_required_field")
        if not (body.get("text") or body.get("html")):
            return _resend(422, "validation_error")
        return None

    def take(self, request: Request) -> Answer:
        """200 with an id, which the key will give again."""
        id_ = new_id()
        self.messages.append({**_json(request), "id": id_, "last_event": "queued"})
        key = request.headers.get("idempotency-key")
        if key:
            self._keys[key] = (id_, hashlib.sha256(request.body).hexdigest())
        return Answer.json(200, {"id": id_})

    def event(self, message: dict[str, Any], kind: str, **data: Any) -> dict[str, Any]:
        """An event as the webhook has it; `kind` without its prefix `email.`."""
        return {
            "type": f"email.{kind}", "created_at": "2026-11-23T12:00:00.000Z",
            "data": {"email_id": message["id"], "to": message["to"], "tags": {}, **data},
        }  # fmt: skip

    def signed(
        self, event: dict[str, Any], *, id_: str | None = None, at: int | None = None
    ) -> tuple[dict[str, str], bytes]:
        """Headers and body of a post of an event."""
        body = msgspec.json.encode(event)
        id_, stamp = id_ or f"msg_{new_id()}", str(at if at is not None else int(self.now()))
        secret = b64decode(self.webhook_secret.removeprefix("whsec_"))
        digest = hmac.digest(secret, f"{id_}.{stamp}.".encode() + body, "sha256")
        headers = {
            "svix-id": id_,
            "svix-timestamp": stamp,
            "svix-signature": f"v1,{b64encode(digest).decode()}",
        }
        return headers, body

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """See `Double`; the event's kind without its prefix."""
        return Callback(self.webhook_url, *self.signed(self.event(message, status, **details)))


class SesDouble(Double):
    """SES's outbound-emails, whose requests have to be signed (SigV4), and its events by SNS."""

    def __init__(self, key: str = "AKID", secret: str = "SECRET") -> None:
        super().__init__()
        self.key = key
        self.secret = secret
        self.sns = SnsSigner()

    def check(self, request: Request) -> Answer | None:
        """A signature that is right, and the parts that are required."""
        if not request.headers.get("authorization"):
            return _ses(403, "MissingAuthenticationTokenException")
        if not is_signed(request, self.key, self.secret, "ses"):
            return _ses(403, "InvalidSignatureException")
        body = _json(request)
        content = body.get("Content", {})
        if not body.get("Destination", {}).get("ToAddresses") and "Raw" not in content:
            return _ses(400, "BadRequestException")
        if not ({"Simple", "Raw", "Template"} & content.keys()):
            return _ses(400, "BadRequestException")
        return None

    def take(self, request: Request) -> Answer:
        """200 with a MessageId; a raw message is kept as it was read."""
        body, id_ = _json(request), new_id()
        raw = body["Content"].get("Raw", {}).get("Data")
        mail = message_from_bytes(b64decode(raw), policy=SMTP) if raw else None
        self.messages.append({**body, "id": id_, "mail": mail})
        return Answer.json(200, {"MessageId": id_})

    def event(self, message: dict[str, Any], kind: str, **detail: Any) -> dict[str, Any]:
        """An event as SES publishes it to SNS."""
        tags = {tag["Name"]: [tag["Value"]] for tag in message.get("EmailTags", ())}
        mail = {
            "messageId": message["id"], "timestamp": "2026-11-23T12:00:00.000Z", "tags": tags,
            "destination": message["Destination"]["ToAddresses"],
        }  # fmt: skip
        return {"eventType": kind, "mail": mail, **detail}

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """See `Double`; an event of SES's in a signed envelope of SNS's."""
        body = self.sns.signed(self.event(message, status, **details), at=self.now(), id_=new_id())
        return Callback(self.webhook_url, {"content-type": "text/plain; charset=UTF-8"}, body)


def _json(request: Request) -> dict[str, Any]:
    found = msgspec.json.decode(request.body)
    return found if isinstance(found, dict) else {}


def _sendgrid(status: int, field: str | None) -> Answer:
    return Answer.json(status, {"errors": [{"message": "refused", "field": field, "help": None}]})


def _resend(status: int, name: str) -> Answer:
    return Answer.json(status, {"statusCode": status, "name": name, "message": "refused"})


def _ses(status: int, name: str) -> Answer:
    return Answer.json(status, {"message": "refused"}, ("x-amzn-errortype", name))
