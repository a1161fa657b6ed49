"""`POST /webhooks/{name}`: what providers tell us. Verified over the bytes, stored, answered; understood later.

A wrong signature is 403, an unknown name 404, and when the store has trouble 503, so that the sender tries again. What
cannot be understood is 422 where the vocabulary is ours, and kept for a person where it is a vendor's. There is no
session, no token and no CSRF here: the signature is all that counts.
"""

from typing import Any, Final

from postroom.delivery import SignatureInvalid, WebhookMalformed
from postroom.delivery.webhooks import Received
from postroom.web.asgi import Receive, Scope, Send
from postroom.web.bodies import read_body
from postroom.web.problems import (
    FORBIDDEN,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    REQUEST_INVALID,
    UNAVAILABLE,
    Refusal,
)
from postroom.web.services import WebServices

PREFIX: Final = "/webhooks/"
OWN: Final = frozenset({"delivery", "standard"})
"""Receivers of events in our own vocabulary."""
BODY_BYTES_MAX: Final = 1024 * 1024
"""SendGrid flushes at 768 kB."""


class Inlet:
    """Takes webhooks in."""

    def __init__(self, services: WebServices) -> None:
        self._inbox = services.inbox
        self._public_url = services.public_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; raises Refusal."""
        name = scope["path"].removeprefix(PREFIX).rstrip("/")
        receiver = self._inbox.receivers.get(name)
        if receiver is None:
            raise Refusal(NOT_FOUND, "There is no such webhook, or it is not configured.")
        if scope["method"] not in ("POST", "GET"):
            raise Refusal(METHOD_NOT_ALLOWED, headers={"allow": "POST"})
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        declared = headers.get("content-length")
        body = await read_body(receive, declared.encode() if declared else None, limit=BODY_BYTES_MAX)
        received = Received(scope["method"], self._url(scope, headers), headers, body)
        try:
            await receiver.verify(received)
        except SignatureInvalid as error:
            raise Refusal(FORBIDDEN, f"{error}."[0].upper() + f"{error}."[1:]) from None
        _check_own(receiver, received)
        await _confirm(receiver, received)
        await self._inbox.put(name, _without_query(received))
        # Without a body: Twilio would take one for instructions, and nobody else reads it.
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def _url(self, scope: Scope, headers: dict[str, str]) -> str:
        """As the sender called it: scheme and host from our configuration, since behind a proxy they are others."""
        base = self._public_url or f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        query = scope.get("query_string", b"").decode("latin-1")
        return f"{base}{scope['path']}{'?' if query else ''}{query}"


async def _confirm(receiver: Any, received: Received) -> None:
    """SNS asks whether we want what it will send; the receiver knows which requests are ours to confirm."""
    to_confirm = getattr(receiver, "to_confirm", None)
    url = to_confirm(received) if to_confirm is not None else None
    if url is None:
        return
    try:
        await receiver.confirm(url)
    except OSError:
        raise Refusal(
            UNAVAILABLE, "The subscription cannot be confirmed just now.", headers={"retry-after": "60"}
        ) from None


def _check_own(receiver: Any, received: Received) -> None:
    """Tell who posts our own vocabulary what is wrong with it; what a vendor posts is kept, whatever it says."""
    if receiver.name not in OWN:
        return
    try:
        receiver.parse(received)
    except WebhookMalformed as error:
        raise Refusal(REQUEST_INVALID, f"{error}."[0].upper() + f"{error}."[1:]) from None


def _without_query(received: Received) -> Received:
    """As it is stored. A callback by GET has telephone numbers in its query, which are sealed like a body."""
    if received.method != "GET":
        return received
    url, _, query = received.url.partition("?")
    return Received(received.method, url, received.headers, query.encode())
