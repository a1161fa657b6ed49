"""Counterparts for tests: vendors' HTTP interfaces on loopback, scripted to answer as they do on bad days.

Each double is an async context manager with `url` (for `base=` in the provider's URL), `requests` (all it got),
`messages` (what it accepted) and `script(...)` (what it does with the next requests). They check what the vendors'
published schemas ask for. With `reports = Reports(("sent", "delivered"), twice=True, backwards=True)` they post the
signed callbacks of every message that they take: late, twice, out of order, or before their own answer; without it,
a test builds them with `callback_of` and posts them with `postman.post` when it likes.
"""

from postroom.delivery.testing.email import ResendDouble, SendGridDouble, SesDouble
from postroom.delivery.testing.loopback import Answer, HangUp, Loopback, Request
from postroom.delivery.testing.reports import Callback, Postman, Report, Reports
from postroom.delivery.testing.script import Accept, AcceptAndHangUp, AcceptAndReply, Do, Double, Hold, Reply
from postroom.delivery.testing.sms import TwilioDouble, VonageDouble
from postroom.delivery.testing.sns import SnsSigner

__all__ = [
    "Accept",
    "AcceptAndHangUp",
    "AcceptAndReply",
    "Answer",
    "Callback",
    "Do",
    "Double",
    "HangUp",
    "Hold",
    "Loopback",
    "Postman",
    "Reply",
    "Report",
    "Reports",
    "Request",
    "ResendDouble",
    "SendGridDouble",
    "SesDouble",
    "SnsSigner",
    "TwilioDouble",
    "VonageDouble",
]
