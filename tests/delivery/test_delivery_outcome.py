"""SMTP replies become outcomes by class digit, enhanced code and stage (delivery/outcome; spec: SMTP submission)."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.delivery import Outcome, Verdict
from postroom.delivery.outcome import SMTP_RULES, Loss, Rule, Stage, classify_loss, classify_smtp

PERMANENT, TEMPORARY = Verdict.REJECTED_PERMANENT, Verdict.REJECTED_TEMPORARY
CONFIG, THROTTLED, UNKNOWN = Verdict.CONFIG_ERROR, Verdict.THROTTLED, Verdict.UNKNOWN
STAGES: tuple[Stage, ...] = get_args(Stage)

CASES: list[tuple[str, Stage, Verdict, bool]] = [
    ("421 4.3.2 closing", "connect", TEMPORARY, False),
    ("554 5.7.1 no service for you", "connect", CONFIG, False),
    ("454 4.7.0 TLS not available", "tls", TEMPORARY, False),
    ("454 4.7.0 try again", "auth", TEMPORARY, False),
    ("432 4.7.12 password transition", "auth", CONFIG, False),
    ("534 5.7.9 too weak", "auth", CONFIG, False),
    ("535 5.7.8 bad credentials", "auth", CONFIG, False),
    ("538 5.7.11 encryption required", "auth", CONFIG, False),
    ("525 5.7.13 account disabled", "auth", CONFIG, False),
    ("530 5.7.0 STARTTLS first", "mail", CONFIG, False),
    ("530 5.7.1 not authenticated", "rcpt", CONFIG, False),
    ("454 Throttling failure: rate exceeded", "dot", THROTTLED, False),
    ("421 4.7.28 rate limited", "rcpt", THROTTLED, False),
    ("550 5.7.28 mail flood", "dot", THROTTLED, False),
    ("550 5.7.38 mail flood", "dot", THROTTLED, False),
    ("421 too many messages", "mail", TEMPORARY, False),
    ("450 4.2.0 greylisted", "rcpt", TEMPORARY, False),
    ("450 4.2.1 disabled", "rcpt", TEMPORARY, False),
    ("451 4.3.0 local error", "dot", TEMPORARY, False),
    ("451 4.7.1 greylisted", "data", TEMPORARY, False),
    ("452 4.2.2 full", "rcpt", TEMPORARY, False),
    ("452 4.5.3 too many recipients", "rcpt", TEMPORARY, False),
    ("452 4.3.1 no space", "mail", TEMPORARY, False),
    ("450 5.1.1 contradiction", "rcpt", TEMPORARY, False),
    ("550 5.1.1 no such user", "rcpt", PERMANENT, True),
    ("550 5.1.1 no such user", "dot", PERMANENT, True),
    ("550 5.1.2 bad domain", "rcpt", PERMANENT, True),
    ("553 5.1.3 bad syntax", "rcpt", PERMANENT, True),
    ("501 5.1.3 bad syntax", "rcpt", PERMANENT, True),
    ("551 5.1.6 moved", "rcpt", PERMANENT, True),
    ("550 5.1.0 rejected", "rcpt", PERMANENT, True),
    ("550 5.1.0 rejected", "dot", PERMANENT, False),
    ("550 4.1.1 contradiction", "rcpt", PERMANENT, True),
    ("550 5.1.10 null MX", "rcpt", PERMANENT, True),
    ("556 5.1.10 null MX", "rcpt", PERMANENT, True),
    ("521 no mail here", "rcpt", PERMANENT, True),
    ("556 no mail there", "rcpt", PERMANENT, True),
    ("550 5.1.7 bad sender", "rcpt", CONFIG, False),
    ("550 5.1.8 bad sender domain", "rcpt", CONFIG, False),
    ("550 5.7.27 sender has null MX", "rcpt", CONFIG, False),
    ("550 5.1.1 about the sender", "mail", CONFIG, False),
    ("553 sender not owned", "mail", CONFIG, False),
    ("550 no enhanced code", "rcpt", PERMANENT, False),
    ("551 user not local", "rcpt", PERMANENT, False),
    ("550 5.2.1 disabled", "rcpt", PERMANENT, False),
    ("550 5.7.13 disabled", "rcpt", PERMANENT, False),
    ("552 5.2.2 full", "rcpt", TEMPORARY, False),
    ("552 full", "rcpt", TEMPORARY, False),
    ("550 5.3.1 system full", "dot", TEMPORARY, False),
    ("552 5.3.4 too large", "mail", PERMANENT, False),
    ("552 too large", "mail", PERMANENT, False),
    ("554 5.3.4 too large", "dot", PERMANENT, False),
    ("552 too much data", "dot", PERMANENT, False),
    ("552 5.7.0 blocked content", "dot", PERMANENT, False),
    ("550 5.2.3 too long", "dot", PERMANENT, False),
    ("550 5.2.4 list expansion", "rcpt", PERMANENT, False),
    ("554 5.4.7 expired", "dot", PERMANENT, False),
    ("554 5.4.6 loop", "dot", PERMANENT, False),
    ("550 5.7.1 relay denied", "rcpt", PERMANENT, False),
    ("554 5.7.1 spam", "dot", PERMANENT, False),
    ("550 5.7.17 new owner", "rcpt", PERMANENT, True),
    ("550 5.7.18 new domain owner", "rcpt", PERMANENT, True),
    ("550 5.5.3 too many recipients", "rcpt", TEMPORARY, False),
    ("554 5.6.0 conversion", "dot", PERMANENT, False),
    ("500 5.5.1 unknown command", "mail", CONFIG, False),
    ("501 syntax", "rcpt", PERMANENT, False),
    ("502 5.5.1 not implemented", "data", CONFIG, False),
    ("503 5.5.1 bad sequence", "data", CONFIG, False),
    ("504 parameter", "mail", CONFIG, False),
    ("555 unknown parameter", "rcpt", CONFIG, False),
    ("554 no valid recipients", "data", PERMANENT, False),
    ("250 OK", "data", TEMPORARY, False),
    ("354 go on", "dot", UNKNOWN, False),
]


@pytest.mark.parametrize(
    ("reply", "stage", "verdict", "suppress"), CASES, ids=[f"{c[1]}: {c[0]}" for c in CASES]
)
def test_reply_becomes_the_verdict_of_the_specification(
    reply: str, stage: Stage, verdict: Verdict, suppress: bool
) -> None:
    """Each row of the specification's tables, and the replies that servers are known to give."""
    outcome = classify_smtp(int(reply[:3]), reply[4:], stage)

    assert (outcome.verdict, outcome.suppress) == (verdict, suppress)


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4XyZ1", "4XyZ1"),
        ("OK queued as 1tQ-0001-AB.", "1tQ-0001-AB."),
        ("OK", None),
        ("queued as anna@example.com", None),
    ],
    ids=["postfix", "exim", "silent", "address"],
)
def test_acceptance_carries_the_queue_id(text: str, queue_id: str | None) -> None:
    """The relay's queue id is the only trace on its side, and never an address."""
    outcome = classify_smtp(250, text, "dot")

    assert outcome.verdict is Verdict.ACCEPTED
    assert outcome.provider_message_id == queue_id


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("loss", get_args(Loss))
def test_loss_is_unknown_after_the_dot_and_temporary_before(stage: Stage, loss: Loss) -> None:
    """The server may own the message only once it has the final dot."""
    outcome = classify_loss(stage, loss)

    assert outcome.verdict is (UNKNOWN if stage == "dot" else TEMPORARY)
    assert outcome.code == ""


@given(st.integers(100, 999), st.text(), st.sampled_from(STAGES))
def test_outcome_never_repeats_the_server(code: int, text: str, stage: Stage) -> None:
    """Nothing of a reply's text survives but the enhanced code, whatever the text is."""
    secret = "anna@example.com"
    outcome = classify_smtp(code, f"{text} {secret} {text}", stage)

    assert secret not in repr(outcome)
    assert outcome.code.split()[0] == str(code)


@given(st.integers(400, 599), st.integers(0, 9), st.integers(0, 40), st.sampled_from(STAGES))
def test_every_refusal_has_a_verdict(code: int, subject: int, detail: int, stage: Stage) -> None:
    """No 4yz or 5yz reply falls through the table, and none is accepted or unknown."""
    outcome = classify_smtp(code, f"{code // 100}.{subject}.{detail} text", stage)

    assert outcome.verdict in (PERMANENT, TEMPORARY, CONFIG, THROTTLED)
    assert outcome.detail
    assert not (outcome.suppress and stage in ("connect", "tls", "auth", "mail"))


def test_provider_puts_its_rows_in_front() -> None:
    """A vendor's own meaning of a code wins over the table."""
    rules = (Rule("550", "2.1", frozenset({"rcpt"}), TEMPORARY, "soft here"), *SMTP_RULES)

    assert classify_smtp(550, "5.2.1 disabled", "rcpt", rules=rules) == Outcome(
        TEMPORARY, "550 5.2.1", "soft here"
    )
