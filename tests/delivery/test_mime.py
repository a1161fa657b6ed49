"""An email becomes bytes that every server takes and that read as what was written (delivery/mime)."""

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import Any

import pytest
from email_support import an_email
from hypothesis import example, given
from hypothesis import strategies as st

from postroom.delivery import Email, Unsendable
from postroom.delivery.mime import LINE_BYTES_MAX, compose

NOW_US = 1_796_000_000_000_000
SENDER = "Clinic <noreply@clinic.example>"
READABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"))
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126))
LINES = st.text(st.characters(min_codepoint=9, max_codepoint=126, include_characters="\r\n"), max_size=3_000)


def composed(email: Email) -> bytes:
    return compose(email, sender=SENDER, now_us=NOW_US).content


def parsed(data: bytes) -> EmailMessage:
    return message_from_bytes(data, policy=policy.default)


def as_written(text: str) -> str:
    """A body as it arrives: line ends are all alike, and the last line has one."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    return lines if lines.endswith("\n") else lines + "\n"


def body_of(message: MIMEPart) -> str:
    return str(message.get_content()).replace("\r\n", "\n")


def by_stdlib(email: Email) -> bytes:
    message = EmailMessage(policy=policy.SMTP)
    message["Message-ID"] = f"<pr.{email.message_id}@clinic.example>"
    message["Date"] = "Mon, 30 Nov 2026 00:53:20 +0000"
    message["From"] = SENDER
    message["To"] = email.recipient
    message["Subject"] = email.subject
    message.set_content(email.content)
    return message.as_bytes()


def test_plain_email_is_written_as_it_is() -> None:
    """The usual email, byte for byte."""
    assert composed(an_email()) == (
        b"Message-ID: <pr.m1@clinic.example>\r\n"
        b"Date: Mon, 30 Nov 2026 00:53:20 +0000\r\n"
        b"From: Clinic <noreply@clinic.example>\r\n"
        b"To: anna@example.com\r\n"
        b"Subject: Your appointment\r\n"
        b"MIME-Version: 1.0\r\n"
        b'Content-Type: text/plain; charset="utf-8"\r\n'
        b"Content-Transfer-Encoding: 7bit\r\n"
        b"\r\n"
        b"Tomorrow at two.\r\n"
    )


def test_message_id_is_the_same_on_every_attempt() -> None:
    """Later attempts differ in their date alone."""
    first = compose(an_email(), sender=SENDER, now_us=NOW_US).content
    later = compose(an_email(), sender=SENDER, now_us=NOW_US + 3_600_000_000).content

    assert parsed(first)["Message-ID"] == parsed(later)["Message-ID"] == "<pr.m1@clinic.example>"
    assert parsed(first)["Date"] != parsed(later)["Date"]


@given(st.text())
def test_any_message_id_becomes_a_stable_legal_one(message_id: str) -> None:
    """Ids that a Message-ID cannot carry as they are still give one, the same each time, that is a single word."""
    first, later = (parsed(composed(an_email(message_id=message_id)))["Message-ID"] for _ in range(2))

    assert first == later
    assert first.isascii()
    assert first.startswith("<pr.")
    assert first.endswith("@clinic.example>")
    assert not set(first) & set(" \r\n\t\0")


@given(PRINTABLE, LINES)
@example("=?utf-8?q?x?=", "From here\n.\n..\n")
@example(" padded  twice ", "")
@example("Re: " + "word " * 40 + "end", "x" * 998 + "\n" + "y" * 999)
@example("x" * 2_000, "trailing \t\n")
def test_plain_ascii_reads_the_same_as_the_standard_librarys(subject: str, content: str) -> None:
    """Our fast path and `EmailMessage` give the same message to a reader, for any ASCII subject and body."""
    email = an_email(subject=subject, content=content)
    ours, theirs = parsed(composed(email)), parsed(by_stdlib(email))

    assert {name: str(ours[name]) for name in ("Message-ID", "Date", "From", "To")} == {
        name: str(theirs[name]) for name in ("Message-ID", "Date", "From", "To")
    }
    assert ours.get_content_type() == theirs.get_content_type()
    assert body_of(ours) == body_of(theirs)
    if subject == subject.strip() and "=?" not in subject:  # else the library itself changes it
        assert ours["Subject"] == theirs["Subject"]


@given(READABLE, READABLE, st.none() | READABLE)
@example("Grüße " * 40, "€" * 500, "<p>ü</p>")
@example("\u2028\x0b\x1c\x85", "\x00\x0b\x1c\x85", None)
@example("=?utf-8?b?QQ==?=", "=\n=3D\n", "--=_boundary")
def test_everything_arrives_as_it_was_written(subject: str, content: str, html: str | None) -> None:
    """Subject, text and HTML survive encoding and decoding, for any Unicode."""
    message = parsed(composed(an_email(subject=subject, content=content, html=html)))
    text = message.get_body(("plain",))

    assert text is not None
    assert message["Subject"] == subject
    assert body_of(text) == as_written(content)
    if html is not None:
        rich = message.get_body(("html",))
        assert message.get_content_type() == "multipart/alternative"
        assert rich is not None
        assert body_of(rich) == as_written(html)


@given(st.text(), st.text(), st.none() | st.text(), st.text())
@example("s", "x" * 5_000, None, "v" * 5_000)
@example("s", "x\n" * 5_000 + "\r\r\n", "ü" * 5_000, "v " * 900)
def test_bytes_are_legal_whatever_is_written(
    subject: str, content: str, html: str | None, value: str
) -> None:
    """Either a refusal, or ASCII in lines of at most 998 bytes ended by CRLF, without NUL or a lone CR or LF."""
    try:
        data = composed(an_email(subject=subject, content=content, html=html, headers={"X-Note": value}))
    except Unsendable:
        return
    lines = data.split(b"\r\n")

    assert data.isascii()
    assert lines[-1] == b""
    assert max(map(len, lines)) <= LINE_BYTES_MAX
    assert not any(set(line) & set(b"\r\n\0") for line in lines)


INJECTED = st.builds(
    lambda before, split, after: before + split + after,
    st.text(),
    st.sampled_from(["\r\n", "\n", "\r", "\0", "\r\nBcc: eve@evil.example\r\n", "\n\n"]),
    st.text(),
)


@given(st.sampled_from(["recipient", "subject", "sender", "headers"]), INJECTED)
def test_line_break_in_a_header_is_refused_by_name(field: str, value: str) -> None:
    """Header injection ends in an error that names the field and never the value."""
    fields: dict[str, Any] = {field: {"X-Note": value} if field == "headers" else value}

    with pytest.raises(Unsendable) as caught:
        composed(an_email(**fields))

    assert caught.value.field.startswith(field)
    assert value not in str(caught.value)


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_no_text_adds_a_header(recipient: str, subject: str, sender: str, name: str, value: str) -> None:
    """Whatever the fields hold, the message has the headers we wrote and no others."""
    try:
        data = composed(an_email(recipient, subject=subject, sender=sender, headers={name: value}))
    except Unsendable:
        return

    assert parsed(data).keys() == [
        "Message-ID", "Date", "From", "To", "Subject", name, "MIME-Version", "Content-Type",
        "Content-Transfer-Encoding",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["From", "to", "Cc", "BCC", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Resent-To",
     "Return-Path", "Sender"],
)  # fmt: skip
def test_own_headers_may_not_be_set(name: str) -> None:
    """A header that we write, or that would add or show recipients, is refused."""
    with pytest.raises(Unsendable, match="may not be set"):
        composed(an_email(headers={name: "eve@evil.example"}))


@pytest.mark.parametrize("name", ["", "X Note", "X:Note", "X-Nöte", "X-Note\r\nBcc", "x" * 77])
def test_bad_header_name_is_refused(name: str) -> None:
    """What is no header name never becomes one."""
    with pytest.raises(Unsendable, match="name"):
        composed(an_email(headers={name: "x"}))


def test_long_unsubscribe_url_stays_one_word() -> None:
    """A URL over 78 characters is neither folded nor encoded, which mailbox providers would not follow."""
    url = f"<https://clinic.example/u/{'t' * 300}>"
    data = composed(
        an_email(headers={"List-Unsubscribe": url, "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"})
    )

    assert f"\r\nList-Unsubscribe: {url}\r\n".encode() in data


@pytest.mark.parametrize("value", ["ü", "<https://clinic.example/" + "t" * 1_000 + ">", "=?utf-8?q?x?="])
def test_header_for_machines_is_refused_rather_than_encoded(value: str) -> None:
    """Encoded words would break what only machines read."""
    with pytest.raises(Unsendable, match=r"headers\[List-Unsubscribe\]"):
        composed(an_email(headers={"List-Unsubscribe": value}))


def test_reply_to_is_written_like_a_sender() -> None:
    """A name outside ASCII is encoded and the domain becomes its A-label."""
    data = composed(an_email(headers={"Reply-To": "Süd <desk@süd.example>"}))

    assert b"\r\nReply-To: =?utf-8?b?U8O8ZA==?= <desk@xn--sd-xka.example>\r\n" in data


def test_internationalised_domain_travels_as_its_a_label() -> None:
    """In the header and in the envelope alike."""
    mail = compose(an_email("anna@exämple.com"), sender=SENDER, now_us=NOW_US)

    assert mail.recipient == "anna@xn--exmple-cua.com"
    assert b"\r\nTo: anna@xn--exmple-cua.com\r\n" in mail.content


def test_email_names_its_own_sender() -> None:
    """The email's sender wins over the provider's, and its domain stands in the Message-ID."""
    mail = compose(an_email(sender="desk@ward.example"), sender=SENDER, now_us=NOW_US)

    assert mail.sender == "desk@ward.example"
    assert mail.content.startswith(b"Message-ID: <pr.m1@ward.example>\r\n")


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param("plain", "7bit", id="ascii"),
        pytest.param("x" * 998, "7bit", id="longest-line"),
        pytest.param("x" * 999, "quoted-printable", id="too-long-line"),
        pytest.param("Grüße an alle, bis morgen um zwei", "quoted-printable", id="some-unicode"),
        pytest.param("日本語のメール", "base64", id="much-unicode"),
        pytest.param("nul\0nul", "quoted-printable", id="nul"),
    ],
)
def test_encoding_is_the_plainest_that_is_legal(content: str, encoding: str) -> None:
    """People can read the source of most messages."""
    assert parsed(composed(an_email(content=content)))["Content-Transfer-Encoding"] == encoding


def test_boundary_avoids_the_content() -> None:
    """A body that holds the boundary of its own message does not end the part."""
    first = parsed(composed(an_email(html="x"))).get_boundary()
    message = parsed(composed(an_email(content=f"--{first}--\n", html="x")))
    text = message.get_body(("plain",))

    assert text is not None
    assert body_of(text) == f"--{first}--\n"


@pytest.mark.parametrize("field", ["subject", "content", "html", "sender"])
def test_what_is_no_unicode_is_refused_by_name(field: str) -> None:
    """A lone surrogate cannot be written, and the error of the codec, which quotes it, does not come through."""
    with pytest.raises(Unsendable, match=field) as caught:
        composed(an_email(**{field: "\ud800 <a@b.example>"}))

    assert caught.value.__cause__ is None


def test_composed_mail_keeps_quiet() -> None:
    """Neither addresses nor contents stand in a repr."""
    assert repr(compose(an_email(), sender=SENDER, now_us=NOW_US)) == "Composed()"
