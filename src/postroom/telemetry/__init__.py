"""Listeners to events: logs now, Sentry, metrics and traces to come."""

from postroom.telemetry.logs import configure_logging, log_events

__all__ = ["configure_logging", "log_events"]
