"""Vonage's delivery receipts, message statuses and inbound messages, signed in either of its ways.

The Messages API signs with a JWT whose claims hold the body's digest
(https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks). The SMS API, where
signatures are on, adds `timestamp` and `sig`: an HMAC over `&name=value` of all parameters by name
(https://developer.vonage.com/en/getting-started/concepts/signing-messages). What is not signed is refused.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import jwt

from postroom.delivery.codes.vonage import callback_class
from postroom.delivery.errors import SignatureInvalid, WebhookMalformed
from postroom.delivery.events import DeliveryEvent, EventKind, with_opt_out
from postroom.delivery.webhooks.received import Received
from postroom.delivery.webhooks.receiver import (
    ReceiverOptions,
    check_time,
    need_secrets,
    object_in,
    read_json,
    same,
    text_in,
)
from postroom.kit.clock import Clock

DIGESTS: Final = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
"""HMAC's digest by the length of a `sig` in hex; which one is used is set at Vonage."""


class VonageReceiver:
    """See the module."""

    name = "vonage"

    def __init__(self, options: ReceiverOptions, clock: Clock) -> None:
        self._secrets = need_secrets(options, self.name)
        self._clock = clock

    async def verify(self, received: Received) -> None:
        """See the port."""
        kind, _, token = received.headers.get("authorization", "").partition(" ")
        if not kind:
            self._verify_parameters(received)
            return
        if kind.lower() != "bearer":
            raise SignatureInvalid("the webhook is not signed; turn signed webhooks on")
        claims = self._claims(token.strip())
        check_time(str(claims.get("iat", "")), self._clock)
        if not same(str(claims.get("payload_hash", "")), hashlib.sha256(received.body).hexdigest()):
            raise SignatureInvalid("the body is not the one that was signed")

    def parse(self, received: Received) -> Sequence[DeliveryEvent]:
        """See the port."""
        entry = _entry(received)
        sent = text_in(entry, "message_uuid") or text_in(entry, "messageId") or text_in(entry, "message-id")
        if sent is None:
            raise WebhookMalformed("messageId is missing")
        status = (text_in(entry, "status") or "").lower()
        if not status and text_in(entry, "text") is not None:
            return [
                DeliveryEvent(
                    kind=EventKind.INBOUND, provider=self.name, event_id=f"{sent}:inbound", provider_message_id=sent,
                    recipient=_number(text_in(entry, "msisdn") or text_in(entry, "from")), text=text_in(entry, "text"),
                )
            ]  # fmt: skip
        code = text_in(entry, "err-code")
        meaning = callback_class(None if code == "0" else code, status)
        if meaning is None:
            raise WebhookMalformed("status is not a known one")
        event = DeliveryEvent(
            kind=meaning.kind, provider=self.name, event_id=f"{sent}:{status}",
            attempt_id=text_in(entry, "client-ref") or text_in(entry, "client_ref"), provider_message_id=sent,
            code=None if code == "0" else code, bounce=meaning.bounce, suppress=meaning.suppress,
            recipient=_number(text_in(entry, "msisdn") or text_in(entry, "to")),
        )  # fmt: skip
        return with_opt_out(event) if meaning.opted_out else [event]

    def _verify_parameters(self, received: Received) -> None:
        try:
            entry = {name: str(value) for name, value in _entry(received).items()}
        except WebhookMalformed:
            entry = {}
        given = entry.pop("sig", "").lower()
        digest = DIGESTS.get(len(given))
        if digest is None:
            raise SignatureInvalid("the webhook is not signed; turn signed webhooks on")
        check_time(entry.get("timestamp", ""), self._clock)
        parts = (f"&{name}={entry[name].translate(_PLAIN)}" for name in sorted(entry))
        signed = "".join(parts).encode("utf-8", "replace")
        if not any(same(hmac.digest(one.encode(), signed, digest).hex(), given) for one in self._secrets):
            raise SignatureInvalid("the signature is not right")

    def _claims(self, token: str) -> dict[str, Any]:
        for secret in self._secrets:
            try:
                return jwt.decode(
                    token, secret, algorithms=["HS256"],
                    options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
                )  # fmt: skip
            except jwt.PyJWTError:
                continue
        raise SignatureInvalid("the signature is not right")


_PLAIN: Final = str.maketrans("&=", "__")


def _entry(received: Received) -> dict[str, Any]:
    if received.method == "GET":
        # Stored callbacks have their query where others have a body.
        return (
            dict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
            or received.query
        )
    if received.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(received.body.decode("utf-8", "replace"), keep_blank_values=True))
    return object_in(read_json(received.body))


def _number(text: str | None) -> str | None:
    return f"+{text.lstrip('+')}" if text else None


def make(options: ReceiverOptions, clock: Clock) -> VonageReceiver:
    """For the table of receivers."""
    return VonageReceiver(options, clock)
