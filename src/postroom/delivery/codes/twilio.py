"""Twilio's error codes: at the call, and in status callbacks.

https://www.twilio.com/docs/api/errors . Twilio's mapping evolves, so what is not listed falls back to a safe class:
permanent at the call, failed without suppression in a callback.
"""

from typing import Final, NamedTuple

from postroom.delivery.codes.table import ANY, Row
from postroom.delivery.events import Bounce, EventKind
from postroom.delivery.outcome import Failover, Verdict

_PERMANENT, _TEMPORARY, _CONFIG, _THROTTLED = (
    Verdict.REJECTED_PERMANENT, Verdict.REJECTED_TEMPORARY, Verdict.CONFIG_ERROR, Verdict.THROTTLED,
)  # fmt: skip

CALL: Final[tuple[Row, ...]] = (
    Row("429", ANY, _THROTTLED, "too many calls at once"),
    Row("xxx", "20429", _THROTTLED, "too many calls at once"),
    Row("xxx", "14107", _THROTTLED, "two numbers answer one another in a loop"),
    Row("xxx", "30022", _THROTTLED, "the sender's registered rate is used up"),
    *(Row("xxx", code, _CONFIG, "the account or its credentials") for code in ("20003", "20404", "20008")),
    Row("401", ANY, _CONFIG, "the credentials are not accepted"),
    Row("403", ANY, _CONFIG, "the account may not do that"),
    *(Row("xxx", code, _PERMANENT, "the number is not valid", True) for code in ("21211", "21217", "21401")),
    *(
        Row("xxx", code, _CONFIG, "the sender is wrong or not verified")
        for code in ("21212", "21603", "21606", "21607", "21608", "21659")
    ),
    Row("xxx", "21268", _PERMANENT, "premium numbers are not permitted"),
    Row("xxx", "21408", _PERMANENT, "the region is not enabled for the account"),
    Row("xxx", "21610", Verdict.OPTED_OUT, "the person has opted out"),
    Row("xxx", "21611", _TEMPORARY, "the sender's queue is full"),
    Row("xxx", "21612", _PERMANENT, "this sender cannot reach the number", False, Failover.NOW),
    *(
        Row("xxx", code, _PERMANENT, "the number cannot get text messages", True)
        for code in ("21614", "21635")
    ),
    *(
        Row("xxx", code, _PERMANENT, "the message's body, media or validity")
        for code in ("21602", "21617", "21618", "21620", "21623", "21624", "35114", "35115", "35118")
    ),
    *(
        Row("xxx", code, _CONFIG, "the messaging service has no sender")
        for code in ("21701", "21703", "21704", "21705")
    ),
    Row("xxx", "30001", _TEMPORARY, "the queue is full"),
    *(
        Row("xxx", code, _CONFIG, "the account or the sender is not in order")
        for code in ("30002", "30018", "30024", "30032", "30033", "30034", "30035")
    ),
    *(
        Row("xxx", code, _TEMPORARY, "the day's quota is used up", False, Failover.NOW)
        for code in ("30023", "30027")
    ),
    Row("xxx", "30410", Verdict.UNKNOWN, "the carrier's answer did not come in time"),
    *(Row("xxx", code, _TEMPORARY, "a failure for the moment") for code in ("30017", "30450", "30500")),
    Row("500", "20500", Verdict.UNKNOWN, "the provider failed after it had the request"),
    Row("503", "20503", Verdict.UNKNOWN, "the provider failed after it had the request"),
    Row("404", ANY, _CONFIG, "there is no such account"),
    Row("4xx", ANY, _PERMANENT, "refused by the provider"),
)
"""Status and code of a failed call."""


class CallbackClass(NamedTuple):
    """What a callback means."""

    kind: EventKind
    bounce: Bounce | None = None
    suppress: bool = False
    opted_out: bool = False
    """The person wants no text messages at all."""


STATUSES: Final = {
    "accepted": EventKind.QUEUED, "scheduled": EventKind.QUEUED, "queued": EventKind.QUEUED,
    "sending": EventKind.QUEUED, "sent": EventKind.SENT, "delivered": EventKind.DELIVERED,
    "partially_delivered": EventKind.SENT, "undelivered": EventKind.BOUNCED, "failed": EventKind.FAILED,
    "read": EventKind.READ, "canceled": EventKind.CANCELED,
}  # fmt: skip
"""Twilio's statuses of outbound messages."""
HARD: Final = frozenset({"30005", "30006"})
"""Unknown or landline: the number is bad."""
INVALID: Final = frozenset({"21211", "21217", "21401", "21614", "21635"})
"""No number, or one that gets no text messages; told late, after the call."""
OPTED_OUT: Final = frozenset({"21610", "30640"})
"""The person has opted out, or sues senders."""
SOFT: Final = frozenset(
    {"30001", "30003", "30004", "30008", "30017", "30022", "30023", "30027", "30450", "30500"}
)
BLOCKED: Final = frozenset({"30002", "30007", "30018", "30024", "30032", "30033", "30034", "30035", "30610"})
"""Filtered, at a quiet hour, or a sender that is not in order: nothing that the number is to blame for."""
UNKNOWN: Final = "30410"
"""The carrier did not answer in time, and Twilio did not try again so as not to send it twice."""


def callback_class(code: str | None, status: str) -> CallbackClass | None:
    """What a status callback means; None for a status that is none of an outbound message."""
    kind = STATUSES.get(status)
    if kind not in (EventKind.BOUNCED, EventKind.FAILED):
        return None if kind is None else CallbackClass(kind)
    if code == UNKNOWN:
        return CallbackClass(EventKind.DEFERRED)
    if code in HARD:
        return CallbackClass(EventKind.BOUNCED, "hard", True)
    if code in OPTED_OUT:
        return CallbackClass(EventKind.REJECTED, opted_out=True)
    if code in INVALID:
        return CallbackClass(EventKind.REJECTED, suppress=True)
    if code in SOFT:
        return CallbackClass(EventKind.BOUNCED, "soft")
    if code in BLOCKED:
        return CallbackClass(EventKind.BOUNCED, "blocked")
    if code is not None and code.startswith("2"):
        return CallbackClass(EventKind.REJECTED)
    return CallbackClass(kind, "soft" if kind is EventKind.BOUNCED else None)
