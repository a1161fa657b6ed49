"""Sentry: errors, breadcrumbs along a message's path, and the spans of its Queues insights. Nothing about people.

Sentry's defaults would send local variables, exception texts and our request's name to every provider; all three are
closed here. What is left of an exception is its class and where it was raised.
https://docs.sentry.io/platforms/python/tracing/instrumentation/custom-instrumentation/queues-module/
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import sentry_sdk
from sentry_sdk.transport import Transport

from postroom.jobs.events import JobFinished, JobRejected, JobStarted
from postroom.kit.events import Events
from postroom.kit.tracing import Attributes, Span
from postroom.queues import events as queue_events

SYSTEM: Final = "postroom"
CRUMBS: Final = (
    JobStarted, JobFinished, JobRejected, queue_events.MessageDeadLettered, queue_events.MessageDropped,
    queue_events.LeaseLost, queue_events.SettlementFailed, queue_events.ConsumerFailed,
)  # fmt: skip
"""Events that leave a breadcrumb."""
CRUMB_FIELDS: Final = frozenset(
    {"job_id", "message_id", "delivery_id", "id", "type", "queue", "attempt", "outcome", "code", "provider", "channel",
     "circuit", "failed", "attempts", "move", "before", "after"}
)  # fmt: skip
CRUMB_NAMES: Final = frozenset({"AttemptFinished", "FailedOver", "CircuitMoved", "MessageMoved"})
"""The same for events of parts that this one must not import."""


class _Span:
    def __init__(self, span: Any) -> None:
        self._span = span

    def fail(self, error: str, exception: BaseException | None = None) -> None:
        """The exception becomes an event of its own."""
        self._span.set_status("internal_error")
        if exception is not None:
            sentry_sdk.capture_exception(exception)

    def note(self, attributes: Attributes) -> None:
        """Data of the span, as the Queues insights name it."""
        for name, value in attributes.items():
            if name == "outcome" and value not in ("done", "accepted"):
                self._span.set_status("internal_error")
            self._span.set_data(_NAMES.get(name, f"postroom.{name}"), value)


_NAMES: Final[Mapping[str, str]] = {"id": "messaging.message.id", "size": "messaging.message.body.size"}


class SentryTracer:
    """Keeps spans with Sentry. Make it once a process, with the DSN; `close` sends what is left."""

    def __init__(
        self,
        dsn: str,
        *,
        environment: str,
        release: str,
        traces_sample_rate: float = 1.0,
        transport: type[Transport] | None = None,
    ) -> None:
        """Raises ValueError for a DSN that is none."""
        try:
            sentry_sdk.init(
                dsn=dsn, environment=environment, release=f"postroom@{release}", transport=transport,
                traces_sample_rate=traces_sample_rate, data_collection={"user_info": False, "http_bodies": []},
                include_local_variables=False,
                include_source_context=False, max_request_body_size="never", server_name="",
                # By default every call to a provider would carry the name of our transaction.
                trace_propagation_targets=[], default_integrations=False, auto_enabling_integrations=False,
                before_send=_harmless, before_breadcrumb=_only_ours, propagate_traces=False,
            )  # fmt: skip
        except sentry_sdk.utils.BadDsn:
            raise ValueError(
                "SENTRY_DSN is not a DSN of Sentry's, for example https://KEY@HOST/PROJECT"
            ) from None

    def listen(self, events: Events) -> None:
        """Leave breadcrumbs of what is announced."""
        events.subscribe(object, _crumb)

    def report(self, error: BaseException) -> str | None:
        """Report an error by hand; returns its id."""
        return sentry_sdk.capture_exception(error)

    def close(self) -> None:
        """Send what is left, for two seconds at most."""
        sentry_sdk.get_client().close(timeout=2.0)

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A transaction by the name of the route."""
        with self._transaction("http.server", name, headers) as span:
            yield span

    @contextmanager
    def publish(self, queue: str, attributes: Attributes) -> Iterator[Span]:
        """`queue.publish`; a transaction of its own where there is none."""
        if sentry_sdk.get_current_span() is None:
            with self._transaction("queue.publish", f"send {queue}", {}, queue=queue) as span:
                span.note(attributes)
                yield span
            return
        with sentry_sdk.start_span(op="queue.publish", name=queue) as inner:
            inner.set_data("messaging.destination.name", queue)
            inner.set_data("messaging.system", SYSTEM)
            mine = _Span(inner)
            mine.note(attributes)
            yield mine

    @contextmanager
    def process(self, queue: str, trace: Mapping[str, str], attributes: Attributes) -> Iterator[Span]:
        """`queue.process`, continuing the producer's trace."""
        name = f"{attributes.get('type', 'job')}"
        with self._transaction("queue.process", name, trace, queue=queue) as span:
            values = dict(attributes)
            latency_seconds = float(values.pop("waited_seconds", 0.0))
            retries = int(values.pop("attempt", 1)) - 1
            sentry_sdk.get_isolation_scope().set_context("job", dict(attributes))
            span.note(values)
            found = sentry_sdk.get_current_span()
            if found is not None:
                # The insights want milliseconds, and retries rather than attempts.
                found.set_data("messaging.message.receive.latency", latency_seconds * 1000)
                found.set_data("messaging.message.retry.count", retries)
            yield span

    @contextmanager
    def call(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """A span of the job's transaction."""
        with sentry_sdk.start_span(op=f"delivery.{name}", name=str(attributes.get("provider", name))) as span:
            mine = _Span(span)
            mine.note(attributes)
            yield mine

    def headers(self) -> dict[str, str]:
        """`sentry-trace` and `baggage`."""
        if sentry_sdk.get_current_span() is None:
            return {}
        found = {"sentry-trace": sentry_sdk.get_traceparent(), "baggage": sentry_sdk.get_baggage()}
        return {name: value for name, value in found.items() if value}

    @contextmanager
    def _transaction(
        self, operation: str, name: str, headers: Mapping[str, str], *, queue: str | None = None
    ) -> Iterator[Span]:
        with sentry_sdk.isolation_scope():
            transaction = sentry_sdk.continue_trace(dict(headers), op=operation, name=name, source="route")
            with sentry_sdk.start_transaction(transaction) as span:
                if queue is not None:
                    span.set_data("messaging.destination.name", queue)
                    span.set_data("messaging.system", SYSTEM)
                mine = _Span(span)
                try:
                    yield mine
                except Exception as error:
                    mine.fail(type(error).__name__, error)
                    raise


def _harmless(event: Any, hint: Any) -> Any:
    """An event without exception texts: what they say may come from a server that repeats addresses."""
    for value in event.get("exception", {}).get("values", ()):
        value["value"] = ""
        for frame in value.get("stacktrace", {}).get("frames", ()):
            frame.pop("vars", None)
            frame["abs_path"] = frame.get("filename", "")
    for name in ("logentry", "message", "request", "user", "extra"):
        event.pop(name, None)
    return event


def _only_ours(crumb: Any, hint: Any) -> Any:
    return crumb if str(crumb.get("category", "")).startswith(SYSTEM) else None


def _crumb(event: object) -> None:
    kind = type(event).__name__
    if not isinstance(event, CRUMBS) and kind not in CRUMB_NAMES:
        return
    data = {name: getattr(event, name) for name in CRUMB_FIELDS if getattr(event, name, None) is not None}
    level = "warning" if "Lost" in kind or "Dead" in kind or "Failed" in kind else "info"
    sentry_sdk.add_breadcrumb(category=f"{SYSTEM}.{kind}", message=kind, level=level, data=data)
