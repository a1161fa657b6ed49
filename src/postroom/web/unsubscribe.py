"""`/u/TOKEN`: unsubscribing, for mailbox providers by one click (RFC 8058) and for people by a page with a button.

Needs no cookie and no sign-in: the token itself says whose subscription it is. GET never unsubscribes, because scanners
follow links; POST does, however often it comes, and never redirects. The page has no script and loads nothing.
"""

import base64
import hashlib
import re
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from litestar import MediaType, Response, get, post
from litestar.params import FromPath

from postroom.kit.actor import Actor
from postroom.messages.suppressions import Source, Suppressions
from postroom.messages.templates import EVERYTHING
from postroom.messages.unsubscribing import Subscription
from postroom.store import StoreTransaction
from postroom.store.vault import VaultError
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.services import WebServices

BODY_BYTES_MAX: Final = 8_192
"""What a mailbox provider posts has 26; a longer body is not looked at."""
FIELD, VALUE = "List-Unsubscribe", "One-Click"
RECIPIENT: Final = "recipient"
"""The actor in the audit trail."""

_MULTIPART: Final = re.compile(
    rb"name=\"?List-Unsubscribe\"?[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\nOne-Click\s", re.IGNORECASE
)
_STYLE: Final = """
:root { color-scheme: light dark; font: 18px/1.6 system-ui, sans-serif }
main { max-width: 34rem; margin: 12vh auto; padding: 0 1.2rem }
button { font: inherit; padding: .6rem 1.2rem; border-radius: .4rem; border: 2px solid; cursor: pointer }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_CHANNELS: Final = {"email": "emails", "sms": "text messages"}

UNKNOWN: Final = (
    "This link does not work",
    "<p>It may have been cut off on its way. Open it again from the message, or copy the whole of it.</p>"
    "<p>Nothing has been changed.</p>",
)


@get("/u/{token:str}", include_in_schema=False)
async def show_page(token: FromPath[str], services: Services) -> Response[str]:
    """A page that asks; it changes nothing."""
    found = _read(services, token)
    if found is None:
        return _page(404, *UNKNOWN)
    return _page(200, "Unsubscribe", _question(found))


@post("/u/{token:str}", include_in_schema=False, status_code=200)
async def unsubscribe(token: FromPath[str], request: Asked, services: Services) -> Response[str]:
    """Unsubscribe; the second time changes nothing more and is answered alike."""
    found = _read(services, token)
    if found is None:
        return _page(404, *UNKNOWN)
    if not is_one_click(await body_of(request)):
        return _page(400, "Unsubscribe", _question(found))
    actor = Actor(RECIPIENT, None, request.user.address, request.user.request_id)
    now_us = services.clock.now_us()

    def act(transaction: StoreTransaction) -> None:
        suppressions = Suppressions(services.records.vault)
        topic = None if found.topic == EVERYTHING else found.topic
        suppressions.suppress(
            transaction, found.channel, _address(services, transaction, suppressions, found), topic,
            Source.UNSUBSCRIBE, actor=actor, now_us=now_us, key=found.address_key, evidence=found.message_id,
        )  # fmt: skip

    await services.store.write(act)
    return _page(
        200,
        "You are unsubscribed",
        f"<p>You get no more {_about(found)} from us.</p><p>You can close this page.</p>",
    )


HANDLERS: Final = (show_page, unsubscribe)


def is_one_click(body: bytes) -> bool:
    """Whether it is the form that RFC 8058 asks for, in either encoding of forms."""
    if len(body) > BODY_BYTES_MAX:
        return False
    if _MULTIPART.search(body):
        return True
    return (FIELD, VALUE) in parse_qsl(body.decode("latin-1").strip(), max_num_fields=10) if body else False


def _read(services: WebServices, token: str) -> Subscription | None:
    return services.unsubscribing.read(token) if services.unsubscribing is not None else None


def _address(
    services: WebServices, transaction: StoreTransaction, suppressions: Suppressions, found: Subscription
) -> str | None:
    """The address, where the message that it was written to is still on record."""
    try:
        record = services.records.find(transaction, found.message_id)
        if record is not None and suppressions.key(found.channel, record.recipient) == found.address_key:
            return record.recipient
    except (VaultError, ValueError):
        return None
    return None


def _about(found: Subscription) -> str:
    channel = _CHANNELS.get(found.channel, "messages")
    return channel if found.topic == EVERYTHING else f"{channel} about <strong>{escape(found.topic)}</strong>"


def _question(found: Subscription) -> str:
    return (
        f"<p>Do you want no more {_about(found)} from us?</p>"
        f'<form method="post"><input type="hidden" name="{FIELD}" value="{VALUE}">'
        "<button>Unsubscribe</button></form>"
    )


def _page(status: int, title: str, content: str) -> Response[str]:
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    headers = {"content-security-policy": POLICY}
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers)
