"""Structured log lines, made from events.

Which fields may be written is a list of names, not a hope: anything else is dropped. So a recipient, a subject
or a content cannot get into a log by a careless call.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import msgspec
import structlog

from postroom.jobs.events import JobFinished, JobRejected, JobStarted
from postroom.kit.events import Events
from postroom.queues import events as queue_events

ALLOWED: Final = frozenset({
    "event", "level", "timestamp", "logger", "job_id", "message_id", "type", "queue", "attempt", "attempts", "outcome",
    "duration_seconds", "code", "reason", "delay_seconds", "retry_seconds", "size", "acked", "retried", "dead_lettered",
    "dropped", "released", "error", "id", "ids", "dead_letter_queue", "count", "call", "because", "host", "port", "url",
    "environment", "version", "path", "method", "status", "problems", "file", "pid", "grace_seconds", "queues", "signal",
    "actor", "provider", "channel", "delivery_id", "circuit", "move", "before", "after", "failed", "receiver", "events",
    "fresh",
})  # fmt: skip

QUIET: Final = {JobStarted: "debug", queue_events.BatchHandled: "debug", queue_events.CallIgnored: "warning"}
LOUD: Final = {
    queue_events.MessageDropped: "error",
    queue_events.MessageDeadLettered: "warning",
    queue_events.LeaseLost: "warning",
    queue_events.SettlementFailed: "error",
    queue_events.ConsumerFailed: "error",
    queue_events.WakeUpsMissing: "warning",
    JobRejected: "warning",
}
"""Severity of events that are not just informative."""
BY_NAME: Final = {
    "RequestDenied": "warning", "RequestFailed": "error", "MessageMoved": "debug", "AttemptFinished": "debug",
    "WebhookProcessed": "debug", "WebhookNotUnderstood": "warning", "FailedOver": "warning", "CircuitMoved": "warning",
}  # fmt: skip
"""The same for events of parts that this one must not import."""

THIRD_PARTY: Final = ("aiosmtplib", "mail.log", "uvicorn.access", "litestar", "asyncio")
"""Libraries whose lower levels write addresses, URLs or bodies."""


def configure_logging(*, format: str, level: str) -> None:
    """Set up log lines on standard error: `console`, `json`, or `auto` by whether that is a terminal."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    renderer: Any = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            keep_allowed,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    for name in THIRD_PARTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def keep_allowed(logger: Any, name: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field whose name is not on the list."""
    return {key: value for key, value in fields.items() if key in ALLOWED}


def log_events(events: Events) -> None:
    """Write a line for each event of the queue and the jobs."""
    logger = structlog.get_logger("postroom")

    def write(event: msgspec.Struct) -> None:
        kind = type(event)
        level = QUIET.get(kind) or LOUD.get(kind) or BY_NAME.get(kind.__name__) or "info"
        if isinstance(event, JobFinished) and event.outcome == "failed":
            level = "warning"
        fields = {name: value for name, value in msgspec.structs.asdict(event).items() if value is not None}
        getattr(logger, level)(_words(kind.__name__), **fields)

    events.subscribe(msgspec.Struct, write)


def _words(name: str) -> str:
    """`MessageDeadLettered` as `message dead lettered`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
