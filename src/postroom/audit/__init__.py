"""The audit trail: who did what to what, when. Append-only; the database refuses changes."""

from postroom.audit.trail import record

__all__ = ["record"]
