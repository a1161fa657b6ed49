"""The SMTP provider on a relay that pipelines and misbehaves: stages, staleness, time-outs (providers/smtp)."""

import asyncio

import pytest
from email_support import OpenProvider, an_email
from hand_clock import HandClock
from smtp_relay import HANG_UP, SILENCE, Relay

from postroom.delivery import Verdict

BIG = "x" * 70 + "\n"


async def test_pipelined_transaction_is_one_exchange_before_the_content(open_provider: OpenProvider) -> None:
    """MAIL, RCPT and DATA go out together where the relay offers it, with the size it asked for."""
    async with Relay() as relay:
        provider = await open_provider(relay.port)

        outcome = await provider.send(an_email(content=".dot\n"))

        assert (outcome.verdict, outcome.provider_message_id) == (Verdict.ACCEPTED, "Q1")
        assert relay.commands[1:] == [
            f"MAIL FROM:<noreply@clinic.example> SIZE={len(relay.contents[0]) - 1}",
            "RCPT TO:<anna@example.com>",
            "DATA",
        ]
        assert relay.contents[0].endswith(b"\r\n\r\n..dot\r\n")


@pytest.mark.parametrize("extensions", [("PIPELINING",), ()], ids=["pipelining", "one-by-one"])
@pytest.mark.parametrize(
    ("replies", "verdict", "code"),
    [
        ({"mail": ["550 5.7.1 no"]}, Verdict.CONFIG_ERROR, "550 5.7.1"),
        ({"rcpt": ["550 5.1.1 no"]}, Verdict.REJECTED_PERMANENT, "550 5.1.1"),
        ({"data": ["451 4.3.0 no"]}, Verdict.REJECTED_TEMPORARY, "451 4.3.0"),
        ({"dot": ["452 4.3.1 no"]}, Verdict.REJECTED_TEMPORARY, "452 4.3.1"),
    ],
    ids=["mail", "rcpt", "data", "dot"],
)  # fmt: skip
async def test_refusal_counts_at_its_stage_and_the_line_goes_on(
    open_provider: OpenProvider,
    extensions: tuple[str, ...],
    replies: dict[str, list[str]],
    verdict: Verdict,
    code: str,
) -> None:
    """The first refusal of a group decides; RSET clears the way for the next email on the same line."""
    async with Relay(extensions=extensions, **replies) as relay:
        provider = await open_provider(relay.port)

        refused = await provider.send(an_email())
        accepted = await provider.send(an_email())

        assert (refused.verdict, refused.code) == (verdict, code)
        assert accepted.verdict is Verdict.ACCEPTED
        assert relay.connections == 1
        assert ("RSET" in relay.commands) is ("dot" not in replies)


async def test_relay_that_waits_for_content_after_refusing_gets_none(open_provider: OpenProvider) -> None:
    """A 354 after a refused recipient (RFC 2920 3.1) must not become a message to nobody: the line is thrown away."""
    async with Relay(rcpt=["550 5.1.1 no"]) as relay:
        relay.eager = True
        provider = await open_provider(relay.port)

        refused = await provider.send(an_email())
        accepted = await provider.send(an_email())

        assert [refused.code, accepted.verdict] == ["550 5.1.1", Verdict.ACCEPTED]
        assert relay.connections == 2
        assert len(relay.contents) == 1


@pytest.mark.parametrize("step", ["greeting", "ehlo", "mail", "rcpt", "data"])
async def test_hanging_up_before_the_dot_is_temporary(open_provider: OpenProvider, step: str) -> None:
    """Whatever the step: no content was on its way."""
    async with Relay(**{step: [HANG_UP]}) as relay:
        provider = await open_provider(relay.port)

        assert (await provider.send(an_email())).verdict is Verdict.REJECTED_TEMPORARY
        assert not relay.contents


@pytest.mark.parametrize(
    ("step", "reply", "verdict"),
    [
        ("greeting", "421 4.3.2 busy", Verdict.REJECTED_TEMPORARY),
        ("greeting", "554 5.7.1 go away", Verdict.CONFIG_ERROR),
        ("greeting", "SSH-2.0-OpenSSH", Verdict.REJECTED_TEMPORARY),
        ("ehlo", "550 5.7.1 go away", Verdict.CONFIG_ERROR),
    ],
    ids=["busy", "refused", "not-smtp", "ehlo-refused"],
)
async def test_relay_that_does_not_serve_us(
    open_provider: OpenProvider, step: str, reply: str, verdict: Verdict
) -> None:
    """What is said before MAIL is about us and never about the recipient."""
    async with Relay(**{step: [reply]}) as relay:
        provider = await open_provider(relay.port)
        outcome = await provider.send(an_email())

        assert (outcome.verdict, outcome.suppress) == (verdict, False)
        assert outcome.code == (reply[:9] if reply[:3].isdecimal() else "")


@pytest.mark.parametrize(
    "reply",
    [HANG_UP, "garbage", "250-never ends" + HANG_UP, "250 " + "x" * 40_000, "999 strange", "354 go on"],
    ids=["hang-up", "garbage", "half", "endless", "no-code", "wrong-class"],
)
async def test_nothing_trustworthy_after_the_dot_is_unknown(open_provider: OpenProvider, reply: str) -> None:
    """Only a reply of the right form says what became of the message."""
    async with Relay(dot=[reply]) as relay:
        provider = await open_provider(relay.port)

        assert (await provider.send(an_email())).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "farewell", ["421 4.4.2 idle too long" + HANG_UP, "421 4.7.0 five a connection" + HANG_UP]
)
async def test_farewell_on_a_used_line_costs_no_attempt(open_provider: OpenProvider, farewell: str) -> None:
    """Relays cap messages a connection with 421 to MAIL: we come back on a new line at once."""
    async with Relay(extensions=[], mail=["250 OK", farewell]) as relay:
        provider = await open_provider(relay.port)

        outcomes = [await provider.send(an_email()) for _ in range(2)]

        assert [outcome.verdict for outcome in outcomes] == [Verdict.ACCEPTED] * 2
        assert relay.connections == 2


async def test_farewell_after_the_dot_is_a_refusal(open_provider: OpenProvider) -> None:
    """421 to the content says that it was not taken; the line is left and the next email gets a new one."""
    async with Relay(dot=["421 4.3.2 closing"]) as relay:
        provider = await open_provider(relay.port)

        outcomes = [await provider.send(an_email()) for _ in range(2)]

        assert [outcome.verdict for outcome in outcomes] == [Verdict.REJECTED_TEMPORARY, Verdict.ACCEPTED]
        assert relay.connections == 2


async def test_farewell_on_a_new_line_is_temporary(open_provider: OpenProvider) -> None:
    """A relay that says 421 to a first MAIL is not asked again at once."""
    async with Relay(mail=["421 4.3.2 closing" + HANG_UP]) as relay:
        provider = await open_provider(relay.port)

        outcome = await provider.send(an_email())

        assert (outcome.verdict, outcome.code) == (Verdict.REJECTED_TEMPORARY, "421 4.3.2")
        assert relay.connections == 1


@pytest.mark.parametrize("goodbye", [b"", b"421 4.4.2 idle too long\r\n"], ids=["silent", "421"])
async def test_idle_line_that_goes_stale_is_noticed(open_provider: OpenProvider, goodbye: bytes) -> None:
    """A relay that hangs up between two emails, with or without a word, costs nothing."""
    async with Relay() as relay:
        provider = await open_provider(relay.port)
        await provider.send(an_email())
        relay.say(goodbye)
        relay.hang_up()

        outcome = await provider.send(an_email())

        assert outcome.verdict is Verdict.ACCEPTED
        assert (relay.connections, len(relay.contents)) == (2, 2)


async def test_old_line_is_replaced(open_provider: OpenProvider) -> None:
    """Beyond its age a line is left, politely, without waiting for the next email."""
    clock = HandClock()
    async with Relay() as relay:
        provider = await open_provider(relay.port, "tls=none&max_age=60", clock=clock)
        await provider.send(an_email())
        clock.advance(60)
        await relay.reached["quit"].wait()

        await provider.send(an_email())

        assert relay.connections == 2


@pytest.mark.parametrize(
    ("step", "seconds", "verdict"),
    [("mail", 60, Verdict.REJECTED_TEMPORARY), ("rcpt", 60, Verdict.REJECTED_TEMPORARY),
     ("data", 60, Verdict.REJECTED_TEMPORARY), ("dot", 600, Verdict.UNKNOWN)],
)  # fmt: skip
async def test_silence_is_given_its_time(
    open_provider: OpenProvider, step: str, seconds: float, verdict: Verdict
) -> None:
    """A minute for a command and ten for the final dot; then a loss at that stage."""
    clock = HandClock()
    async with Relay(extensions=[], **{step: [SILENCE]}) as relay:
        provider = await open_provider(relay.port, clock=clock)
        sending = asyncio.create_task(provider.send(an_email()))
        await relay.reached[step].wait()

        clock.advance(seconds - 1)
        assert not sending.done()
        clock.advance(1)

        outcome = await sending
        assert (outcome.verdict, "in time" in outcome.detail) == (verdict, True)


async def test_silent_greeting_is_temporary(open_provider: OpenProvider) -> None:
    """A server that accepts the connection and says nothing is left after the time to connect."""
    async with Relay(greeting=[SILENCE]) as relay:
        provider = await open_provider(relay.port, "tls=none&connect_timeout=0.1")

        assert (await provider.send(an_email())).verdict is Verdict.REJECTED_TEMPORARY


async def test_big_message_arrives(open_provider: OpenProvider) -> None:
    """Content beyond one write goes out before its dot."""
    async with Relay() as relay:
        provider = await open_provider(relay.port)

        outcome = await provider.send(an_email(content=BIG * 100_000))

        assert outcome.verdict is Verdict.ACCEPTED
        assert relay.contents[0].count(b"\r\n") > 100_000


@pytest.mark.parametrize("farewell", [b"", b"552 5.3.4 too big\r\n"], ids=["silent", "reply"])
async def test_loss_amid_a_big_message_is_no_unknown(open_provider: OpenProvider, farewell: bytes) -> None:
    """The dot never went out, so the message is certainly unsent."""
    async with Relay() as relay:
        relay.read_content = False
        provider = await open_provider(relay.port)
        sending = asyncio.create_task(provider.send(an_email(content=BIG * 200_000)))
        await relay.reached["content"].wait()
        relay.say(farewell)
        relay.hang_up()

        outcome = await sending

        assert outcome.verdict in (Verdict.REJECTED_TEMPORARY, Verdict.REJECTED_PERMANENT)
        assert not relay.contents


async def test_cancelled_send_leaves_no_line_in_doubt(open_provider: OpenProvider) -> None:
    """A line amid a transaction is cut, not handed to the next email."""
    async with Relay(dot=[SILENCE]) as relay:
        provider = await open_provider(relay.port)
        sending = asyncio.create_task(provider.send(an_email()))
        await relay.reached["dot"].wait()
        sending.cancel()
        await asyncio.wait([sending])

        outcome = await provider.send(an_email())

        assert sending.cancelled()
        assert outcome.verdict is Verdict.ACCEPTED
        assert relay.connections == 2


async def test_closing_says_goodbye(open_provider: OpenProvider) -> None:
    """QUIT is said on idle lines, and they have ended when `close` returns."""
    async with Relay() as relay:
        provider = await open_provider(relay.port)
        await provider.send(an_email())

        await provider.close()
        await relay.reached["quit"].wait()

        assert relay.commands[-1] == "QUIT"
