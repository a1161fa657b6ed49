"""A local SMTP server that keeps what it receives, for the demo and for tests. Needs the extra `demo`.

Owns receiving, keeping and scripted misbehaviour. It relays nothing and checks no sender. Runs in the running event
loop, not in a thread as aiosmtpd's controllers do.

    mailbox   what was received, and who waits for it      line   one connection, through aiosmtpd
    script    what is answered to whom
"""

from postroom.delivery.mailbox.mailbox import Mailbox, Received
from postroom.delivery.mailbox.script import CONVENTIONS

__all__ = ["CONVENTIONS", "Mailbox", "Received"]
