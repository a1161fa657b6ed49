"""Doubles of Twilio Messages and Vonage SMS."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import msgspec

from postroom.delivery.testing.loopback import Answer, Request
from postroom.delivery.testing.reports import Callback
from postroom.delivery.testing.script import Double
from postroom.kit.ids import new_id

MAGIC_TO: Final = {
    "+15005550001": (400, 21211), "+15005550002": (400, 21612), "+15005550003": (400, 21408),
    "+15005550004": (400, 21610), "+15005550009": (400, 21614),
}  # fmt: skip
MAGIC_FROM: Final = {"+15005550001": (400, 21212), "+15005550007": (400, 21606), "+15005550008": (400, 21611)}
"""Twilio's own test numbers. https://www.twilio.com/docs/iam/test-credentials"""


class TwilioDouble(Double):
    """Twilio's Messages resource."""

    def __init__(self, account: str = "AC" + "0" * 32, token: str = "token") -> None:
        super().__init__()
        self.account = account
        self.token = token

    def other(self, request: Request) -> Answer | None:
        """Lookups, by SID and by number."""
        if request.method != "GET":
            return None
        wrong = self._unauthorised(request)
        if wrong is not None:
            return wrong
        parts = urlsplit(request.target)
        if parts.path.endswith("/Messages.json"):
            to = parse_qs(parts.query).get("To", [""])[0]
            return Answer.json(200, {"messages": [one for one in self.messages if one["to"] == to]})
        sid = parts.path.rpartition("/")[2].removesuffix(".json")
        found = next((one for one in self.messages if one["sid"] == sid), None)
        return Answer.json(200, found) if found is not None else _error(404, 20404)

    def check(self, request: Request) -> Answer | None:
        """Credentials, required parameters, magic numbers."""
        form = _form(request)
        wrong = self._unauthorised(request)
        if wrong is not None:
            return wrong
        if not form.get("To"):
            return _error(400, 21604)
        if not form.get("From") and not form.get("MessagingServiceSid"):
            return _error(400, 21603)
        if not form.get("Body") and not form.get("MediaUrl"):
            return _error(400, 21602)
        if len(form.get("Body", "")) > 1600:
            return _error(400, 21617)
        for number, magic in ((form["To"], MAGIC_TO), (form.get("From", ""), MAGIC_FROM)):
            if number in magic:
                return _error(*magic[number])
        return None

    def take(self, request: Request) -> Answer:
        """201 with the message."""
        form = _form(request)
        message: dict[str, Any] = {
            "sid": "SM" + new_id(), "account_sid": self.account, "to": form["To"], "from": form.get("From"),
            "body": form.get("Body"), "status": "queued" if form.get("From") else "accepted", "error_code": None,
            "error_message": None, "num_segments": "1", "direction": "outbound-api",
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "date_created": format_datetime(datetime.now(UTC)), "status_callback": form.get("StatusCallback"),
        }  # fmt: skip
        self.messages.append(message)
        shown = {name: value for name, value in message.items() if name != "status_callback"}
        return Answer.json(201, shown)

    def callback(
        self, message: dict[str, Any], status: str, error: int | None = None
    ) -> tuple[str, dict[str, str], bytes]:
        """URL, headers and body of the callback that tells of a status; signed."""
        form = {
            "MessageSid": message["sid"], "SmsSid": message["sid"], "AccountSid": self.account,
            "MessageStatus": status, "SmsStatus": status, "From": message["from"] or "+15005550006",
            "To": message["to"], "ApiVersion": "2010-04-01", **({"ErrorCode": str(error)} if error else {}),
        }  # fmt: skip
        return self.signed(message["status_callback"] or "", form)

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """See `Double`; `error` is an error code."""
        return Callback(*self.callback(message, status, **details))

    def inbound(self, url: str, sender: str, text: str, **more: str) -> tuple[str, dict[str, str], bytes]:
        """The same of a message that a person wrote to us."""
        form = {"MessageSid": "SM" + new_id(), "AccountSid": self.account, "From": sender, "To": "+15005550006",
                "Body": text, **more}  # fmt: skip
        return self.signed(url, form)

    def signed(self, url: str, form: dict[str, str]) -> tuple[str, dict[str, str], bytes]:
        """A request signed as Twilio signs it: HMAC-SHA1 over the URL and the sorted parameters."""
        text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
        signature = b64encode(hmac.digest(self.token.encode(), text.encode(), "sha1")).decode()
        headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
        return url, headers, urlencode(form).encode()

    def _unauthorised(self, request: Request) -> Answer | None:
        return None if _is_basic(request, self.account, self.token) else _error(401, 20003)


class VonageDouble(Double):
    """Vonage's SMS interface."""

    def __init__(self, key: str = "key", secret: str = "secret", signature_secret: str = "s" * 32) -> None:
        super().__init__()
        self.key = key
        self.secret = secret
        self.signature_secret = signature_secret

    def check(self, request: Request) -> Answer | None:
        """Credentials, as parameters or by Basic auth, and required parameters; refusals come with 200."""
        form = _form(request)
        by_form = (form.get("api_key"), form.get("api_secret")) == (self.key, self.secret)
        if not by_form and not _is_basic(request, self.key, self.secret):
            return _part("4", form)
        if not form.get("to") or not form.get("from") or not form.get("text"):
            return _part("2", form)
        if form["to"].startswith("+"):
            return _part("3", form)
        return None

    def take(self, request: Request) -> Answer:
        """200 with one part."""
        form = _form(request)
        message = {**form, "message-id": new_id()}
        self.messages.append(message)
        return _part("0", form, message["message-id"])

    def receipt(self, message: dict[str, Any], status: str, code: str = "0") -> dict[str, str]:
        """The body of a delivery receipt."""
        return {
            "msisdn": message["to"], "to": message["from"], "messageId": message["message-id"], "status": status,
            "err-code": code, "client-ref": message.get("client-ref", ""), "message-timestamp": "2026-11-23 12:00:00",
        }  # fmt: skip

    def callback_of(self, message: dict[str, Any], status: str, **details: Any) -> Callback:
        """See `Double`; `code` is the receipt's err-code."""
        url = message.get("callback") or self.webhook_url
        return Callback(url, *self.signed(self.receipt(message, status, **details)))

    def inbound(self, sender: str, text: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of a message that a person wrote to us; signed."""
        return self.signed({"msisdn": sender, "to": "447700900000", "messageId": new_id(), "text": text})

    def signed(self, entry: dict[str, str]) -> tuple[dict[str, str], bytes]:
        """Headers and body of a post: a JWT whose claims hold the body's digest."""
        body = msgspec.json.encode(entry)
        claims = {
            "iat": int(self.now()), "jti": new_id(), "iss": "Vonage", "api_key": self.key,
            "payload_hash": hashlib.sha256(body).hexdigest(),
        }  # fmt: skip
        bearer = jwt.encode(claims, self.signature_secret, "HS256")
        return {"authorization": f"Bearer {bearer}", "content-type": "application/json"}, body


def _is_basic(request: Request, user: str, password: str) -> bool:
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "basic" and b64decode(given) == f"{user}:{password}".encode()


def _form(request: Request) -> dict[str, str]:
    if "json" in request.headers.get("content-type", ""):
        found: dict[str, str] = msgspec.json.decode(request.body)
        return found
    return dict(parse_qsl(request.body.decode(), keep_blank_values=True))


def _error(status: int, code: int) -> Answer:
    info = f"https://www.twilio.com/docs/errors/{code}"
    return Answer.json(status, {"code": code, "message": "refused", "more_info": info, "status": status})


def _part(status: str, form: dict[str, str], message_id: str | None = None) -> Answer:
    part = {"to": form.get("to", ""), "status": status}
    part |= (
        {
            "message-id": message_id, "remaining-balance": "3.14", "message-price": "0.03", "network": "310004",
            "client-ref": form.get("client-ref", ""),
        }
        if message_id
        else {"error-text": "refused"}
    )  # fmt: skip
    return Answer.json(200, {"message-count": "1", "messages": [part]})
