"""Jobs: typed work in a queue, its retries and its outcomes. Knows nothing of databases, mail or the web."""

from postroom.jobs.dispatcher import Dispatcher
from postroom.jobs.ledger import Begun, Enqueued, Entry, Ledger, NoLedger
from postroom.jobs.models import CleanupJob, EmailJob, ExportJob, Job, SmsJob
from postroom.jobs.outcome import (
    Done,
    Failed,
    JobContext,
    Outcome,
    PermanentError,
    RetryAfter,
    TemporaryError,
    Uncertain,
)
from postroom.jobs.policy import PriorityDelays, RetryPolicy
from postroom.jobs.producer import JobProducer
from postroom.jobs.registry import JobRegistry, RegistryError, UnknownJobType
from postroom.jobs.states import JobState
from postroom.jobs.validation import JobInvalid, Problem

__all__ = [
    "Begun",
    "CleanupJob",
    "Dispatcher",
    "Done",
    "EmailJob",
    "Enqueued",
    "Entry",
    "ExportJob",
    "Failed",
    "Job",
    "JobContext",
    "JobInvalid",
    "JobProducer",
    "JobRegistry",
    "JobState",
    "Ledger",
    "NoLedger",
    "Outcome",
    "PermanentError",
    "PriorityDelays",
    "Problem",
    "RegistryError",
    "RetryAfter",
    "RetryPolicy",
    "SmsJob",
    "TemporaryError",
    "Uncertain",
    "UnknownJobType",
]
