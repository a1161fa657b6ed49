"""Addresses are checked by us and put on the wire as SMTP can carry them (delivery/address; RFC 5321 4.1.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import Unsendable
from postroom.delivery.address import parse_address, parse_mailbox


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        pytest.param("anna@example.com", "anna@example.com", id="usual"),
        pytest.param("Anna.B+x@Example.COM", "Anna.B+x@Example.COM", id="case-kept"),
        pytest.param("root@localhost", "root@localhost", id="bare-host"),
        pytest.param("anna@clinic.test", "anna@clinic.test", id="reserved"),
        pytest.param("anna@exämple.com", "anna@xn--exmple-cua.com", id="idn"),
        pytest.param("anna@exämple.test", "anna@xn--exmple-cua.test", id="reserved-idn"),
        pytest.param("a" * 64 + "@example.com", "a" * 64 + "@example.com", id="longest-local-part"),
    ],
)
def test_address_becomes_what_rcpt_carries(text: str, spec: str) -> None:
    """Local parts stay as they are; an internationalised domain becomes its A-label."""
    assert parse_address(text, "recipient").spec == spec


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("anna", id="no-at"),
        pytest.param("anna@", id="no-domain"),
        pytest.param("@example.com", id="no-local-part"),
        pytest.param("anna@@example.com", id="two-ats"),
        pytest.param("anna..b@example.com", id="two-dots"),
        pytest.param(".anna@example.com", id="leading-dot"),
        pytest.param("anna b@example.com", id="space"),
        pytest.param('"anna b"@example.com', id="quoted"),
        pytest.param("<anna@example.com>", id="brackets"),
        pytest.param("anna@example.com> SIZE=1", id="parameter"),
        pytest.param("anna@-example.com", id="leading-hyphen"),
        pytest.param("anna@example..com", id="empty-label"),
        pytest.param("anna@[10.0.0.1]", id="literal"),
        pytest.param("a" * 65 + "@example.com", id="long-local-part"),
        pytest.param("a@" + "b." * 130 + "com", id="long-domain"),
        pytest.param("anna@example.com\r\nDATA", id="injection"),
        pytest.param("anna@example.com\n", id="trailing-line-feed"),
        pytest.param("anna@example.com\0", id="nul"),
        pytest.param("änna@example.com", id="needs-smtputf8"),
        pytest.param("anna@exämple..com", id="bad-idn"),
        pytest.param("anna@ex\u2028ämple.com", id="unicode-line-separator"),
        pytest.param("anna@\ud800.com", id="surrogate"),
    ],
)
def test_what_is_no_address_is_refused_without_quoting_it(text: str) -> None:
    """The error names the field and the rule; the address stays out of it."""
    with pytest.raises(Unsendable) as caught:
        parse_address(text, "recipient")

    assert caught.value.field == "recipient"
    assert not text or text not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text())
def test_whatever_is_accepted_is_safe_on_a_command_line(text: str) -> None:
    """No text gets blanks, brackets or control characters into MAIL or RCPT."""
    try:
        spec = parse_address(text, "recipient").spec
    except Unsendable:
        return

    assert spec.isascii()
    assert spec.isprintable()
    assert not set(spec) & set(' <>"')


@pytest.mark.parametrize(
    ("text", "header"),
    [
        pytest.param("noreply@clinic.example", "noreply@clinic.example", id="bare"),
        pytest.param("<noreply@clinic.example>", "noreply@clinic.example", id="brackets"),
        pytest.param("Clinic <noreply@clinic.example>", "Clinic <noreply@clinic.example>", id="atoms"),
        pytest.param('"Clinic" <noreply@clinic.example>', "Clinic <noreply@clinic.example>", id="quoted"),
        pytest.param("Clinic, Ltd. <n@clinic.example>", '"Clinic, Ltd." <n@clinic.example>', id="specials"),
        pytest.param("Clinic\\ <n@clinic.example>", '"Clinic\\\\" <n@clinic.example>', id="backslash"),
        pytest.param("Süd <n@clinic.example>", "=?utf-8?b?U8O8ZA==?= <n@clinic.example>", id="unicode"),
        pytest.param("Clinic <n@süd.example>", "Clinic <n@xn--sd-xka.example>", id="idn"),
    ],
)
def test_mailbox_becomes_what_from_carries(text: str, header: str) -> None:
    """Names are quoted or encoded as a header needs."""
    assert parse_mailbox(text, "sender").header == header


@pytest.mark.parametrize(
    "text",
    ["Clinic", "Clinic <>", "Clinic <a@b> x", 'A"B <a@b.c>', "Clinic\r\nBcc: x <a@b.c>", "x" * 201 + " <a@b.c>",
     "\ud800 <a@b.c>"],
    ids=["no-address", "empty", "tail", "quote", "injection", "long-name", "surrogate"],
)  # fmt: skip
def test_bad_mailbox_is_refused_without_quoting_it(text: str) -> None:
    """A sender that cannot be written is a clear error."""
    with pytest.raises(Unsendable) as caught:
        parse_mailbox(text, "sender")

    assert caught.value.field == "sender"
    assert text not in str(caught.value)
