"""Vonage SMS: the status of each part of an answer, and delivery receipts.

https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms and .../delivery-receipts
"""

from typing import Final

from postroom.delivery.codes.table import Row
from postroom.delivery.codes.twilio import CallbackClass
from postroom.delivery.events import EventKind
from postroom.delivery.outcome import Verdict

_PERMANENT, _TEMPORARY, _CONFIG = Verdict.REJECTED_PERMANENT, Verdict.REJECTED_TEMPORARY, Verdict.CONFIG_ERROR

PART: Final[tuple[Row, ...]] = (
    Row("200", "1", Verdict.THROTTLED, "too many messages at once"),
    *(Row("200", code, _TEMPORARY, "a failure for the moment") for code in ("5", "10")),
    *(Row("200", code, _PERMANENT, "the message is not valid") for code in ("2", "3", "6", "12", "22", "23")),
    *(
        Row("200", code, _CONFIG, "the account, its credentials or its sender")
        for code in ("4", "8", "9", "11", "14", "15", "29", "32")
    ),
    *(Row("200", code, _PERMANENT, "the number is barred or gone", True) for code in ("7", "33")),
    Row("429", "*", Verdict.THROTTLED, "too many calls at once"),
    Row("401", "*", _CONFIG, "the credentials are not accepted"),
    Row("403", "*", _CONFIG, "the account may not do that"),
    Row("4xx", "*", _PERMANENT, "refused by the provider"),
)
"""Status of a message's part that was not taken."""

RECEIPTS: Final = {
    "accepted": EventKind.SENT, "buffered": EventKind.DEFERRED, "delivered": EventKind.DELIVERED,
    "expired": EventKind.BOUNCED, "failed": EventKind.BOUNCED, "rejected": EventKind.BOUNCED,
    "unknown": EventKind.BOUNCED, "submitted": EventKind.SENT, "read": EventKind.READ,
    "undeliverable": EventKind.BOUNCED,
}  # fmt: skip
HARD: Final = frozenset({"3", "4", "12", "33"})
OPTED_OUT: Final = "9"
BLOCKED: Final = frozenset({"6", "50", "51", "52", "53", "54"})


def callback_class(code: str | None, status: str) -> CallbackClass | None:
    """What a delivery receipt means; None for a status that is none."""
    kind = RECEIPTS.get(status)
    if kind is not EventKind.BOUNCED:
        return None if kind is None else CallbackClass(kind)
    if code in HARD:
        return CallbackClass(kind, "hard", True)
    if code == OPTED_OUT:
        return CallbackClass(EventKind.REJECTED, opted_out=True)
    if code in BLOCKED:
        return CallbackClass(kind, "blocked")
    return CallbackClass(kind, "soft")
