"""How our token comes back from a relay that takes mail by SMTP and tells of it otherwise.

SMTP itself returns nothing. The relays of some vendors repeat a header of theirs in their webhooks, and every mail
server returns bounces to the envelope's sender, which may differ from call to call (VERP).
"""

from collections.abc import Mapping
from typing import Final

RELAYS: Final[Mapping[str, tuple[str, str]]] = {
    # https://postmarkapp.com/support/article/1125-custom-metadata-faq
    "postmark": ("X-PM-Metadata-pr_attempt", "{}"),
    # https://documentation.mailgun.com/docs/mailgun/user-manual/sending-messages/#sending-via-smtp
    "mailgun": ("X-Mailgun-Variables", '{{"pr_attempt": "{}"}}'),
    # https://www.twilio.com/docs/sendgrid/for-developers/sending-email/unique-arguments
    "sendgrid": ("X-SMTPAPI", '{{"unique_args": {{"pr_attempt": "{}"}}}}'),
    # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-send-email.html
    "ses": ("X-SES-MESSAGE-TAGS", "pr_attempt={}"),
}
"""Whose relay it is, to the header that it repeats."""


def headers_for(relay: str | None, attempt_id: str) -> dict[str, str]:
    """The header that brings the token back; none for a relay that has none."""
    if relay is None or not attempt_id:
        return {}
    name, form = RELAYS[relay]
    return {name: form.format(attempt_id)}


def return_path(address: str, attempt_id: str) -> str:
    """The envelope's sender of one call: `bounces@a.example` becomes `bounces+pr-TOKEN@a.example`."""
    if not attempt_id:
        return address
    local, _, domain = address.rpartition("@")
    return f"{local}+pr-{attempt_id}@{domain}"
