"""Email addresses as SMTP can carry them: checked by us, domains in ASCII, display names encoded.

Owns the syntax; whether an address may be written to is decided elsewhere. The standard library's parser is not
used: some of its versions drop a second line in silence instead of refusing it.
"""

import re
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from postroom.delivery.encoded_words import encoded_words
from postroom.delivery.errors import Unsendable

# RFC 5321 4.5.3.1: local part 64 octets, domain 255, path 256 with its brackets, so an address has at most 254.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ASCII = re.compile(
    rf"(?=.{{3,254}}\Z)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@(?P<domain>{_LABEL}(?:\.{_LABEL})*)"
)
_NAMED = re.compile(r"(?P<name>[^<>\"]*|\"[^<>\"\\]*\")\s*<(?P<address>[^<>]*)>")
_NAME_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]*")
_BREAKS = re.compile(r"[\r\n\0]")

NAME_BYTES_MAX = 200
"""Longest display name, in bytes of UTF-8: it has to fit one header line of 998 after encoding."""


class Address(NamedTuple):
    """An address on the wire: `spec` is what MAIL and RCPT carry, `header` what From, To and Reply-To carry."""

    spec: str
    domain: str
    header: str


def parse_address(text: str, field: str) -> Address:
    """The address in `text`, which has no display name; an internationalised domain becomes its A-label.

    Raises Unsendable, naming the field and never the address, for a line break, for what is no address, and for a
    local part outside ASCII, which would need SMTPUTF8 on every hop (RFC 6531).
    """
    match = _ASCII.fullmatch(text)
    if match is not None:
        return Address(text, match["domain"], text)
    if _BREAKS.search(text):
        raise Unsendable(field, "has a line break")
    if text.isascii():
        raise Unsendable(field, "is not an email address")
    try:
        # Syntax alone: no DNS, and names such as `.test` or a bare host are the operator's business.
        valid = validate_email(
            text, check_deliverability=False, globally_deliverable=False, test_environment=True
        )
    except (EmailNotValidError, ValueError):  # ValueError: lone surrogates
        raise Unsendable(field, "is not an email address") from None
    if valid.ascii_email is None:
        raise Unsendable(field, "has characters outside ASCII before the @, which SMTP relays do not carry")
    return parse_address(valid.ascii_email, field)


def parse_mailbox(text: str, field: str) -> Address:
    """The address in `a@b` or `Name <a@b>`, with the name in the header encoded as RFC 5322 and RFC 2047 ask.

    Raises Unsendable as `parse_address` does.
    """
    if _BREAKS.search(text):
        raise Unsendable(field, "has a line break")
    named = _NAMED.fullmatch(text.strip())
    if named is None:
        return parse_address(text.strip(), field)
    address = parse_address(named["address"].strip(), field)
    name = named["name"].strip().strip('"').strip()
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise Unsendable(field, "is not Unicode text") from None
    if size > NAME_BYTES_MAX:
        raise Unsendable(field, f"has a name of more than {NAME_BYTES_MAX} bytes")
    if not name:
        return address
    if not name.isprintable() or not name.isascii() or "=?" in name:
        shown = encoded_words(name)
    elif _NAME_ATOMS.fullmatch(name):
        shown = name
    else:
        shown = '"' + name.replace("\\", "\\\\") + '"'
    return Address(address.spec, address.domain, f"{shown} <{address.spec}>")
