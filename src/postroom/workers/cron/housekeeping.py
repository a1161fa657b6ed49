"""What is done every night: cleanups of everything that has an age, and a witness to how far the audit trail has come.

That providers are asked about what stayed unproven is added where the parts are put together.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from postroom.jobs.models import CleanupJob
from postroom.kit.clock import to_datetime
from postroom.retention import Policy

NAME: Final = "housekeeping"
TARGETS: Final = (
    "temp_files",
    "message_queue",
    "audit_logs",
    "webhook_events",
    "idempotency_keys",
    "queue_messages",
)
"""Exports have a job each, at their end."""


def cleanups(policies: Mapping[str, Policy], now_us: int) -> Sequence[CleanupJob]:
    """The night's jobs."""
    now = to_datetime(now_us)
    return [
        CleanupJob(target=target, older_than=now - timedelta(days=policies[target].days))
        for target in TARGETS
    ]
