"""The audit trail: who did what to what, when. Append-only, chained; the database refuses changes."""

from postroom.audit.chain import Chain, Key
from postroom.audit.trail import HEAD, record
from postroom.audit.verifying import Broken, Verified, anchor, verify, write_anchor

__all__ = ["HEAD", "Broken", "Chain", "Key", "Verified", "anchor", "record", "verify", "write_anchor"]
