"""Counterparts for tests: vendors' HTTP interfaces on loopback, scripted to answer as they do on bad days.

Each double is an async context manager with `url` (for `base=` in the provider's URL), `requests` (all it got),
`messages` (what it accepted) and `script(...)` (what it does with the next requests). They check what the vendors'
published schemas ask for, and build the signed callbacks that a real vendor would post, to be posted late, twice or
out of order.
"""

from postroom.delivery.testing.email import ResendDouble, SendGridDouble, SesDouble
from postroom.delivery.testing.loopback import Answer, HangUp, Loopback, Request
from postroom.delivery.testing.script import Accept, AcceptAndHangUp, AcceptAndReply, Do, Hold, Reply
from postroom.delivery.testing.sms import TwilioDouble, VonageDouble

__all__ = [
    "Accept",
    "AcceptAndHangUp",
    "AcceptAndReply",
    "Answer",
    "Do",
    "HangUp",
    "Hold",
    "Loopback",
    "Reply",
    "Request",
    "ResendDouble",
    "SendGridDouble",
    "SesDouble",
    "TwilioDouble",
    "VonageDouble",
]
