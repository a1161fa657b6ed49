"""The SMTP provider against a real server: TLS, login, reuse, refusals and losses (providers/smtp; RFC 5321)."""

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from email_support import OpenProvider, an_email

from postroom.delivery import ConfigurationError, Text, Verdict
from postroom.delivery.mailbox import Mailbox
from postroom.delivery.providers.smtp import SmtpProvider, parse_smtp_url


async def test_email_arrives_with_its_envelope(open_provider: OpenProvider) -> None:
    """One email goes out and arrives as it was written."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

        outcome = await provider.send(an_email(content="Grüße\n.\nEnde\n"))

        received = mailbox.received[0]
        assert outcome.verdict is Verdict.ACCEPTED
        assert (outcome.code, outcome.provider) == ("250 2.0.0", "smtp")
        assert received.envelope_from == "noreply@clinic.example"
        assert received.envelope_to == ("anna@example.com",)
        assert received.message_id == "<pr.m1@clinic.example>"
        assert received.message().get_content().replace("\r\n", "\n") == "Grüße\n.\nEnde\n"


@pytest.mark.parametrize(("relay", "name", "value"), [
    ("postmark", "X-PM-Metadata-pr_attempt", "a1"), ("mailgun", "X-Mailgun-Variables", '{"pr_attempt": "a1"}'),
    ("sendgrid", "X-SMTPAPI", '{"unique_args": {"pr_attempt": "a1"}}'), ("ses", "X-SES-MESSAGE-TAGS", "pr_attempt=a1"),
])  # fmt: skip
async def test_token_comes_back_from_the_relay_of_a_vendor(
    open_provider: OpenProvider, relay: str, name: str, value: str
) -> None:
    """In a header that its webhooks repeat; and in the address that bounces return to."""
    async with Mailbox() as mailbox:
        provider = await open_provider(
            mailbox.port, f"tls=none&relay={relay}&return_path=bounces@clinic.example"
        )

        await provider.send(an_email(attempt_id="a1"))

        (received,) = mailbox.received
        assert received.message()[name] == value
        assert received.envelope_from == "bounces+pr-a1@clinic.example"
        assert received.message()["From"] == "Clinic <noreply@clinic.example>"


async def test_connection_is_used_again(open_provider: OpenProvider) -> None:
    """Ten emails in a row need one connection."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

        for number in range(10):
            await provider.send(an_email(message_id=f"m{number}"))

        assert len(mailbox.received) == 10
        assert mailbox.connections_made == 1


async def test_connection_is_replaced_after_its_messages(open_provider: OpenProvider) -> None:
    """Ten emails at three a connection need four."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port, "tls=none&max_messages=3")

        for number in range(10):
            await provider.send(an_email(message_id=f"m{number}"))

        assert mailbox.connections_made == 4


async def test_pool_is_bounded(open_provider: OpenProvider) -> None:
    """Thirty sends at once share three connections."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port, "tls=none&connections=3")

        outcomes = await asyncio.gather(*[provider.send(an_email(message_id=f"m{n}")) for n in range(30)])

        assert {outcome.verdict for outcome in outcomes} == {Verdict.ACCEPTED}
        assert len({received.message_id for received in mailbox.received}) == 30
        assert mailbox.connections_peak == 3


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("bounce@example.com", (Verdict.REJECTED_PERMANENT, "550 5.1.1", True)),
        ("greylist@example.com", (Verdict.REJECTED_TEMPORARY, "451 4.7.1", False)),
        ("temporary@example.com", (Verdict.REJECTED_TEMPORARY, "451 4.3.0", False)),
    ],
    ids=["bounce", "greylist", "temporary"],
)
async def test_refused_recipient_leaves_the_connection_in_order(
    open_provider: OpenProvider, recipient: str, expected: tuple[Verdict, str, bool]
) -> None:
    """After a refusal the same connection carries the next email."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

        refused = await provider.send(an_email(recipient))
        accepted = await provider.send(an_email())

        assert (refused.verdict, refused.code, refused.suppress) == expected
        assert accepted.verdict is Verdict.ACCEPTED
        assert [received.envelope_to for received in mailbox.received] == [("anna@example.com",)]
        assert mailbox.connections_made == 1


async def test_greylisted_email_is_accepted_on_the_next_attempt(open_provider: OpenProvider) -> None:
    """Temporary is temporary."""
    async with Mailbox() as mailbox:
        mailbox.script("anna@example.com", ["450 4.2.0 greylisted"])
        provider = await open_provider(mailbox.port)

        verdicts = [(await provider.send(an_email())).verdict for _ in range(2)]

        assert verdicts == [Verdict.REJECTED_TEMPORARY, Verdict.ACCEPTED]


async def test_content_can_be_refused(open_provider: OpenProvider) -> None:
    """A refusal after the dot is a refusal, not an unknown."""
    async with Mailbox() as mailbox:
        mailbox.script(None, ["after-dot 554 5.7.1 spam"])
        provider = await open_provider(mailbox.port)

        outcome = await provider.send(an_email())

        assert (outcome.verdict, outcome.code) == (Verdict.REJECTED_PERMANENT, "554 5.7.1")
        assert not mailbox.received


async def test_loss_after_the_dot_is_unknown(open_provider: OpenProvider) -> None:
    """The server has the message and could not say so: nobody may send it again blindly, least of all we."""
    async with Mailbox() as mailbox:
        mailbox.script(None, ["accept", "drop-after-dot"])
        provider = await open_provider(mailbox.port)

        outcomes = [await provider.send(an_email(message_id=f"m{number}")) for number in range(3)]

        assert [outcome.verdict for outcome in outcomes] == [
            Verdict.ACCEPTED,
            Verdict.UNKNOWN,
            Verdict.ACCEPTED,
        ]
        assert len(mailbox.received) == 3


async def test_loss_before_the_dot_is_temporary(open_provider: OpenProvider) -> None:
    """On a new connection there is no second try: the message is certainly unsent."""
    async with Mailbox() as mailbox:
        mailbox.script(None, ["drop-at-rcpt"])
        provider = await open_provider(mailbox.port)

        outcome = await provider.send(an_email())

        assert outcome.verdict is Verdict.REJECTED_TEMPORARY
        assert not mailbox.received


async def test_loss_before_the_dot_on_a_used_connection_is_tried_again_at_once(
    open_provider: OpenProvider,
) -> None:
    """A stale line costs a reconnection and no attempt, and the email goes out once."""
    async with Mailbox() as mailbox:
        mailbox.script(None, ["accept", "drop-at-rcpt"])
        provider = await open_provider(mailbox.port)

        outcomes = [await provider.send(an_email(message_id=f"m{number}")) for number in range(2)]

        assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 2
        assert len(mailbox.received) == 2
        assert mailbox.connections_made == 2


async def test_nobody_listening_is_temporary(open_provider: OpenProvider) -> None:
    """A refused connection is the provider's trouble, not the message's."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

    outcome = await provider.send(an_email())

    assert (outcome.verdict, outcome.code) == (Verdict.REJECTED_TEMPORARY, "")


async def test_restarted_server_is_found_again(open_provider: OpenProvider) -> None:
    """Connections that died in the pool are replaced."""
    mailbox = Mailbox()
    await mailbox.start()
    provider = await open_provider(mailbox.port)
    await provider.send(an_email())
    await mailbox.stop()
    await mailbox.start()

    outcome = await provider.send(an_email())
    await mailbox.stop()

    assert outcome.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("mode", ["starttls", "implicit", "opportunistic"])
async def test_email_travels_encrypted(
    open_provider: OpenProvider, server_tls: ssl.SSLContext, ca_file: Path, mode: str
) -> None:
    """Each way of TLS reaches a server that takes nothing without it, and so does a login inside it."""
    login = ("desk", "s%c:ret")
    async with Mailbox(tls=server_tls, implicit=mode == "implicit", login=login) as mailbox:
        provider = await open_provider(
            mailbox.port, f"tls={mode}&ca_file={ca_file}", user="desk:s%25c%3Aret@"
        )

        outcomes = [await provider.send(an_email()) for _ in range(2)]

        assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 2
        assert mailbox.connections_made == 1


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_untrusted_certificate_is_refused(
    open_provider: OpenProvider, server_tls: ssl.SSLContext, mode: str
) -> None:
    """Without the authority's certificate nothing is sent."""
    async with Mailbox(tls=server_tls, implicit=mode == "implicit") as mailbox:
        provider = await open_provider(mailbox.port, f"tls={mode}")

        outcome = await provider.send(an_email())

        assert outcome.verdict is Verdict.REJECTED_TEMPORARY
        assert outcome.detail == "the server's certificate is not trusted"
        assert not mailbox.received


async def test_starttls_that_is_not_offered_is_a_setting_to_look_at(open_provider: OpenProvider) -> None:
    """We never fall back to sending in the clear."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port, "tls=starttls")

        outcome = await provider.send(an_email())

        assert (outcome.verdict, "STARTTLS" in outcome.detail) == (Verdict.CONFIG_ERROR, True)
        assert not mailbox.received


async def test_opportunistic_sends_in_the_clear_where_nothing_else_is_offered(
    open_provider: OpenProvider,
) -> None:
    """That is what was asked for."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port, "tls=opportunistic")

        assert (await provider.send(an_email())).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("mode", ["none", "implicit"])
async def test_implicit_and_plain_that_do_not_match_fail_softly(
    open_provider: OpenProvider, server_tls: ssl.SSLContext, ca_file: Path, mode: str
) -> None:
    """TLS spoken to a plain port, and the reverse, end as temporary within the time to connect."""
    async with Mailbox(tls=server_tls, implicit=mode == "none") as mailbox:
        provider = await open_provider(mailbox.port, f"tls={mode}&ca_file={ca_file}&connect_timeout=0.1")

        assert (await provider.send(an_email())).verdict is Verdict.REJECTED_TEMPORARY


async def test_wrong_password_is_a_setting_to_look_at(open_provider: OpenProvider) -> None:
    """A refused login pages a person and says nothing of the password."""
    async with Mailbox(login=("desk", "secret")) as mailbox:
        provider = await open_provider(mailbox.port, user="desk:hunter2@")

        outcome = await provider.send(an_email())

        assert (outcome.verdict, outcome.code) == (Verdict.CONFIG_ERROR, "535 5.7.8")
        assert "hunter2" not in repr(outcome)


async def test_login_on_this_machine_needs_no_tls(open_provider: OpenProvider) -> None:
    """A relay on the same host may ask for a login in the clear."""
    async with Mailbox(login=("desk", "secret")) as mailbox:
        provider = await open_provider(mailbox.port, user="desk:secret@")

        assert (await provider.send(an_email())).verdict is Verdict.ACCEPTED


async def test_server_that_wants_a_login_is_a_setting_to_look_at(open_provider: OpenProvider) -> None:
    """530 to MAIL means that we came without credentials."""
    async with Mailbox(login=("desk", "secret")) as mailbox:
        provider = await open_provider(mailbox.port)

        outcome = await provider.send(an_email())

        assert (outcome.verdict, outcome.code) == (Verdict.CONFIG_ERROR, "530 5.7.0")


async def test_server_that_knows_no_login_is_a_setting_to_look_at(
    open_provider: OpenProvider, server_tls: ssl.SSLContext
) -> None:
    """Credentials that nobody asks for are not sent, and neither is the message."""
    async with Mailbox(tls=server_tls) as mailbox:
        provider = await open_provider(mailbox.port, user="desk:secret@")

        outcome = await provider.send(an_email())

        assert (outcome.verdict, "PLAIN" in outcome.detail) == (Verdict.CONFIG_ERROR, True)


async def test_email_without_any_sender_is_a_setting_to_look_at() -> None:
    """Neither the email nor the URL says who writes."""
    provider = SmtpProvider(parse_smtp_url("smtp://127.0.0.1:1?tls=none"))
    await provider.open()
    await provider.open()

    outcome = await provider.send(an_email())
    await provider.close()

    assert (outcome.verdict, "from=" in outcome.detail) == (Verdict.CONFIG_ERROR, True)


async def test_injection_ends_before_the_network(open_provider: OpenProvider) -> None:
    """What cannot be sent is refused for good, naming the field and not the value."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

        outcome = await provider.send(an_email(subject="Hello\r\nBcc: eve@evil.example"))

        assert (outcome.verdict, outcome.detail) == (Verdict.REJECTED_PERMANENT, "subject has a line break")
        assert mailbox.connections_made == 0


async def test_no_address_no_content_reaches_logs_or_outcomes(
    open_provider: OpenProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """A canary in recipient, subject and content is in no log line and no outcome on any path."""
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(True)
    canary = an_email("canary@example.com", subject="canary", content="canary")
    async with Mailbox() as mailbox:
        mailbox.script(
            None,
            ["accept", "550 5.1.1 <canary@example.com> unknown", "after-dot 451 canary", "drop-after-dot",
             "drop-at-rcpt"],
        )  # fmt: skip
        provider = await open_provider(mailbox.port)
        outcomes = [await provider.send(canary) for _ in range(6)]
    outcomes += [await provider.send(canary), await provider.send(an_email("canary example.com"))]

    assert "canary" not in repr(outcomes)
    assert "canary" not in caplog.text


async def test_provider_refuses_what_it_cannot_send(open_provider: OpenProvider) -> None:
    """A text message handed to SMTP is a programming error."""
    provider = await open_provider(1)

    with pytest.raises(TypeError, match="sends Email, not Text"):
        await provider.send(Text("m1", "+12125551234", "hello"))


async def test_closed_provider_says_so(open_provider: OpenProvider) -> None:
    """Sending outside open and close is a programming error; closing twice is not."""
    provider = await open_provider(1)
    await provider.close()
    await provider.close()

    with pytest.raises(RuntimeError, match="not open"):
        await provider.send(an_email())


async def test_missing_authority_is_found_when_opening(open_provider: OpenProvider) -> None:
    """A wrong path is an error of configuration, not of a message."""
    with pytest.raises(ConfigurationError, match="ca_file"):
        await open_provider(1, "ca_file=/nowhere/ca.pem")


async def test_greylist_convention_holds_once(open_provider: OpenProvider) -> None:
    """As with a real greylist, the second try of the same recipient is taken."""
    async with Mailbox() as mailbox:
        provider = await open_provider(mailbox.port)

        outcomes = [await provider.send(an_email("greylist@example.com")) for _ in range(2)]

        assert [outcome.verdict for outcome in outcomes] == [Verdict.REJECTED_TEMPORARY, Verdict.ACCEPTED]
