"""What became of a message that was handed to a provider, as values, and how SMTP replies become such values.

Owns the verdicts and the table from SMTP reply, enhanced status code and stage to verdict. Pure: no clock, no
network. What to do about a verdict (wait, fail over, suppress, ask a person) is decided elsewhere.

Sources: RFC 5321 4.2 (reply codes), RFC 3463 and RFC 5248 (enhanced codes), RFC 4954 (AUTH), RFC 7504 (521 and
556), RFC 7505 (null MX), and the IANA registry of enhanced codes.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec


class Verdict(StrEnum):
    """What a provider's answer means for the message."""

    ACCEPTED = "accepted"
    """The next hop took responsibility; that is not yet delivery."""
    REJECTED_PERMANENT = "rejected_permanent"
    """No use in trying again with this message and address."""
    REJECTED_TEMPORARY = "rejected_temporary"
    """Certainly not sent; worth another try later."""
    THROTTLED = "throttled"
    """Certainly not sent: we are too fast for the provider."""
    CONFIG_ERROR = "config_error"
    """Certainly not sent: our credentials, sender or settings are at fault, so a person has to look."""
    OPTED_OUT = "opted_out"
    """The person does not want messages on this channel; no provider may be tried."""
    UNKNOWN = "unknown"
    """It may or may not have been sent; a blind retry may send it twice."""


class Failover(StrEnum):
    """Whether another provider may be tried with the same message."""

    NOW = "now"
    """At once: the fault lies with this provider or our account there, and it certainly sent nothing."""
    LATER = "later"
    """When this provider has been tried often enough: it certainly sent nothing."""
    NEVER = "never"
    """Not at all: the person, the address or the content was refused, or it may have been sent already."""


FAILOVER: Final[Mapping[Verdict, Failover]] = MappingProxyType(
    {
        Verdict.ACCEPTED: Failover.NEVER,
        Verdict.REJECTED_PERMANENT: Failover.NEVER,
        Verdict.REJECTED_TEMPORARY: Failover.LATER,
        Verdict.THROTTLED: Failover.LATER,
        Verdict.CONFIG_ERROR: Failover.NOW,
        Verdict.OPTED_OUT: Failover.NEVER,
        Verdict.UNKNOWN: Failover.NEVER,
    }
)
"""What follows from a verdict where the outcome does not say otherwise."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one attempt. Nothing in it names a recipient or repeats a server's words.

    `code` is the other side's code alone (`550 5.1.1`), empty when there was no answer. `detail` is a short text
    of ours. `suppress` says that the address is bad and must not be written to again. `retry_after_seconds` is
    set where the provider named a time. `elsewhere` overrides `FAILOVER` for this answer; see `failover`.
    """

    verdict: Verdict
    code: str = ""
    detail: str = ""
    provider: str = ""
    provider_message_id: str | None = None
    retry_after_seconds: float | None = None
    suppress: bool = False
    elsewhere: Failover | None = None

    @property
    def failover(self) -> Failover:
        """Whether another provider may be tried; what may have been sent and what the person refused never goes on."""
        if self.verdict in (Verdict.ACCEPTED, Verdict.OPTED_OUT, Verdict.UNKNOWN):
            return Failover.NEVER
        return self.elsewhere or FAILOVER[self.verdict]


Stage: TypeAlias = Literal["connect", "tls", "auth", "mail", "rcpt", "data", "dot"]
"""How far an SMTP transaction had come: greeting and EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, the final dot."""

Loss: TypeAlias = Literal["closed", "timeout", "malformed"]
"""Why no usable reply came: the connection ended, the time was up, or what came was not SMTP."""

SESSION: Final[frozenset[str]] = frozenset({"connect", "tls", "auth"})
"""Stages in which the server knows only us: nothing it says is about the recipient."""
RCPT: Final[frozenset[str]] = frozenset({"rcpt"})
MAIL: Final[frozenset[str]] = frozenset({"mail"})
LATER: Final[frozenset[str]] = frozenset({"data", "dot"})
ENVELOPE: Final[frozenset[str]] = MAIL | RCPT | LATER
ANY: Final[frozenset[str]] = SESSION | ENVELOPE


class Rule(NamedTuple):
    """One row of the table; the first row that fits decides.

    `code` is a reply code in which `x` stands for any digit. `status` is subject and detail of the enhanced code
    (its class digit is ignored: the reply's first digit wins), with `1.x` for any detail and `*` for any or none.
    """

    code: str
    status: str
    stages: frozenset[str]
    verdict: Verdict
    detail: str
    suppress: bool = False

    def fits(self, code: str, status: str, stage: str) -> bool:
        """Whether the row speaks of such a reply."""
        return (
            stage in self.stages
            and all(want in ("x", got) for want, got in zip(self.code, code, strict=True))
            and (
                self.status in ("*", status)
                or (self.status.endswith(".x") and status.startswith(self.status[:-1]))
            )
        )


_PERMANENT = Verdict.REJECTED_PERMANENT
_TEMPORARY = Verdict.REJECTED_TEMPORARY
_CONFIG = Verdict.CONFIG_ERROR
_THROTTLED = Verdict.THROTTLED

SMTP_RULES: Final[tuple[Rule, ...]] = (
    # Our side: credentials, TLS, pace. These codes mean the same at every stage.
    Rule("432", "*", ANY, _CONFIG, "the account has to change its password"),
    Rule("530", "*", ANY, _CONFIG, "the server asks for a login or for TLS first"),
    Rule("534", "*", ANY, _CONFIG, "the login mechanism is too weak for the server"),
    Rule("535", "*", ANY, _CONFIG, "the server does not accept our login"),
    Rule("538", "*", ANY, _CONFIG, "the server wants TLS before this login"),
    Rule("454", "*", SESSION, _TEMPORARY, "login or TLS is unavailable for the moment"),
    Rule("454", "*", ENVELOPE, _THROTTLED, "the server asks us to slow down"),
    # The registry has mail flood as X.7.28; X.7.38 is seen in the wild. Soft also where the reply is 5yz.
    Rule("xxx", "7.28", ANY, _THROTTLED, "the server asks us to slow down"),
    Rule("xxx", "7.38", ANY, _THROTTLED, "the server asks us to slow down"),
    # 4yz: the first digit wins, whatever the enhanced code says.
    Rule("4xx", "2.2", ANY, _TEMPORARY, "the mailbox is full"),
    Rule("4xx", "2.1", ANY, _TEMPORARY, "the mailbox does not take messages for the moment"),
    Rule("4xx", "3.1", ANY, _TEMPORARY, "the mail system is full"),
    Rule("421", "*", ANY, _TEMPORARY, "the server is not available for the moment"),
    Rule("4xx", "*", ANY, _TEMPORARY, "the server asks us to try again later"),
    # 5yz before anybody was named.
    Rule("5xx", "*", SESSION, _CONFIG, "the server refuses to serve us"),
    # 5yz that is softer or more precise than its reply code, at any stage of the envelope.
    Rule("5xx", "2.2", ENVELOPE, _TEMPORARY, "the mailbox is full"),
    Rule("5xx", "3.1", ENVELOPE, _TEMPORARY, "the mail system is full"),
    Rule("5xx", "5.3", ENVELOPE, _TEMPORARY, "too many recipients at once"),
    Rule("5xx", "2.3", ENVELOPE, _PERMANENT, "the message is too large for the mailbox"),
    Rule("5xx", "3.4", ENVELOPE, _PERMANENT, "the message is too large for the server"),
    Rule("5xx", "1.7", ENVELOPE, _CONFIG, "the server refuses our sender address"),
    Rule("5xx", "1.8", ENVELOPE, _CONFIG, "the server refuses our sender's domain"),
    Rule("5xx", "7.27", ENVELOPE, _CONFIG, "our sender's domain takes no mail"),
    # At MAIL the server knows our sender and the size, and nothing of the recipient.
    Rule("552", "*", MAIL, _PERMANENT, "the message is too large for the server"),
    Rule("5xx", "*", MAIL, _CONFIG, "the server refuses our sender"),
    # The address.
    Rule("5xx", "1.0", LATER, _PERMANENT, "the server refuses an address"),
    Rule("5xx", "1.0", RCPT, _PERMANENT, "the address is bad", suppress=True),
    Rule("5xx", "1.1", ENVELOPE, _PERMANENT, "the mailbox does not exist", suppress=True),
    Rule("5xx", "1.2", ENVELOPE, _PERMANENT, "the domain does not exist", suppress=True),
    Rule("5xx", "1.3", ENVELOPE, _PERMANENT, "the address is malformed", suppress=True),
    Rule("5xx", "1.4", ENVELOPE, _PERMANENT, "the address is ambiguous", suppress=True),
    Rule("5xx", "1.6", ENVELOPE, _PERMANENT, "the mailbox has moved", suppress=True),
    Rule("5xx", "1.10", ENVELOPE, _PERMANENT, "the domain takes no mail", suppress=True),
    Rule("521", "*", RCPT, _PERMANENT, "the domain takes no mail", suppress=True),
    Rule("556", "*", RCPT, _PERMANENT, "the domain takes no mail", suppress=True),
    Rule("5xx", "7.17", ENVELOPE, _PERMANENT, "the mailbox has a new owner", suppress=True),
    Rule("5xx", "7.18", ENVELOPE, _PERMANENT, "the domain has a new owner", suppress=True),
    Rule("5xx", "2.1", ENVELOPE, _PERMANENT, "the mailbox is disabled"),
    Rule("5xx", "7.13", ENVELOPE, _PERMANENT, "the account is disabled"),
    Rule("5xx", "2.4", ENVELOPE, _PERMANENT, "the mailing list cannot be expanded"),
    # The way, the content, the policy.
    Rule("5xx", "4.7", ENVELOPE, _PERMANENT, "a relay has already tried until the time was up"),
    Rule("5xx", "4.x", ENVELOPE, _PERMANENT, "there is no way to the address"),
    Rule("5xx", "6.x", ENVELOPE, _PERMANENT, "the server cannot take the message's form"),
    Rule("5xx", "7.x", ENVELOPE, _PERMANENT, "refused by the server's policy"),
    # Replies without a telling enhanced code: the stage says what they are about.
    Rule("552", "*", RCPT, _TEMPORARY, "the mailbox is full"),
    Rule("552", "*", LATER, _PERMANENT, "the message is too large for the server"),
    Rule("501", "*", RCPT, _PERMANENT, "the server does not take such an address"),
    Rule("500", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("501", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("502", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("503", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("504", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("555", "*", ENVELOPE, _CONFIG, "the server does not understand our commands"),
    Rule("5xx", "*", ENVELOPE, _PERMANENT, "refused by the server"),
)
"""Reply to verdict, first match wins. A provider with ways of its own puts its rows in front."""

_STATUS = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})(?!\S)")
_QUEUE_ID = re.compile(r"\bqueued as ([A-Za-z0-9._-]{1,64})(?![^\s)\]>;,])", re.IGNORECASE)

_LOSS: Final[dict[Loss, str]] = {
    "closed": "the connection failed",
    "timeout": "no answer came in time",
    "malformed": "the answer was not SMTP",
}
_WHERE: Final[dict[Stage, str]] = {
    "connect": "at the greeting or before",
    "tls": "while setting up TLS",
    "auth": "while logging in",
    "mail": "before the message was handed over",
    "rcpt": "before the message was handed over",
    "data": "before the message was handed over",
    "dot": "after the message was handed over, so it may have been accepted",
}


def classify_smtp(code: int, text: str, stage: Stage, *, rules: Sequence[Rule] = SMTP_RULES) -> Outcome:
    """The outcome of a transaction that ended with such a reply at such a stage.

    `text` is the reply without its code; only a leading enhanced status code and, on acceptance, a queue id are
    read from it. The reply's first digit wins and the enhanced code refines (RFC 3463 2). A reply that fits no
    rule, such as a 250 where 354 was due, is `unknown` after the final dot and temporary before it.
    """
    found = _STATUS.match(text)
    status = found[2] if found else ""
    shown = f"{code} {found[0]}" if found else str(code)
    if stage == "dot" and 200 <= code <= 299:
        queued = _QUEUE_ID.search(text)
        return Outcome(Verdict.ACCEPTED, shown, "accepted", provider_message_id=queued[1] if queued else None)
    if 400 <= code <= 599:
        for rule in rules:
            if rule.fits(str(code), status, stage):
                down = Failover.NOW if stage in SESSION else None
                return Outcome(rule.verdict, shown, rule.detail, suppress=rule.suppress, elsewhere=down)
    verdict = Verdict.UNKNOWN if stage == "dot" else Verdict.REJECTED_TEMPORARY
    return Outcome(verdict, shown, "the server's answer does not fit the question")


def classify_loss(stage: Stage, loss: Loss = "closed") -> Outcome:
    """The outcome of a transaction that ended without a reply at such a stage.

    Before the final dot the message is certainly unsent; after it the server may own it (RFC 5321 4.2.5, RFC 1047).
    """
    if stage == "dot":
        return Outcome(Verdict.UNKNOWN, detail=f"{_LOSS[loss]} {_WHERE[stage]}")
    down = Failover.NOW if stage in SESSION else None
    return Outcome(Verdict.REJECTED_TEMPORARY, detail=f"{_LOSS[loss]} {_WHERE[stage]}", elsewhere=down)
