"""SMTP submission to a relay (RFC 5321, RFC 6409), on a bounded pool of connections that are used again.

Owns the way from an `Email` to an `Outcome`. aiosmtplib opens a connection (TCP, greeting, EHLO, STARTTLS, AUTH);
from then on `wire` holds the line itself, because the stage of a failure decides between *temporary* and *unknown*
and has to be exact.

    options   what a URL may say, checked            session   MAIL, RCPT, DATA, dot: stage by stage
    provider  the port, and one retry of a stale line  connect   from TCP to AUTH, through aiosmtplib
    pool      who may use which session              wire      commands out, replies in, nothing else
"""

from postroom.delivery.providers.smtp.options import SmtpOptions, parse_smtp_url
from postroom.delivery.providers.smtp.provider import SmtpProvider, from_url

__all__ = ["SmtpOptions", "SmtpProvider", "from_url", "parse_smtp_url"]
