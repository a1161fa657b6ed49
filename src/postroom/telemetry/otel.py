"""Traces as OpenTelemetry has them: spans and metrics of messaging, sent by OTLP.

Names follow the semantic conventions for messaging 1.44 (status: development). A consumer's span links to its
producer's and, since a job is one message, is its child too.
https://github.com/open-telemetry/semantic-conventions/blob/main/docs/messaging/messaging-spans.md
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from postroom.kit.tracing import Attributes, Span

SYSTEM: Final = "postroom"
NAMES: Final[Mapping[str, str]] = {
    "id": "messaging.message.id",
    "message_id": "messaging.message.conversation_id",
    "size": "messaging.message.body.size",
    "count": "messaging.batch.message_count",
    "type": "postroom.job.type",
    "attempt": "postroom.job.attempt",
    "outcome": "postroom.outcome",
    "code": "postroom.code",
    "provider": "postroom.provider",
    "channel": "postroom.channel",
    "delivery_id": "postroom.delivery.id",
    "waited_seconds": "postroom.wait.seconds",
    "status": "http.response.status_code",
    "method": "http.request.method",
}
"""Ours to the conventions'; what is not here is not sent."""


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def fail(self, error: str, exception: BaseException | None = None) -> None:
        """An error's class; its text may hold what must not be told."""
        self._span.set_attribute("error.type", error)
        self._span.set_status(Status(StatusCode.ERROR, error))

    def note(self, attributes: Attributes) -> None:
        """Attributes by their conventional names."""
        self._span.set_attributes(_named(attributes))


class OtelTracer:
    """Keeps spans with OpenTelemetry; `close` sends what is left."""

    def __init__(self, *, endpoint: str | None = None, service: str = SYSTEM, version: str = "") -> None:
        """`endpoint` is the collector's base URL (`http://127.0.0.1:4318`)."""
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces") if endpoint else None
        resource = Resource.create({"service.name": service, "service.version": version})
        self.provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        if exporter is not None:
            self.export_to(exporter)
        self._tracer = self.provider.get_tracer(SYSTEM, version)

    def export_to(self, exporter: SpanExporter) -> None:
        """Send spans there too."""
        self.provider.add_span_processor(BatchSpanProcessor(exporter))

    def close(self) -> None:
        """Send what is left and stop; waits for the collector for a few seconds at most."""
        self.provider.shutdown()

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str]) -> Iterator[Span]:
        """A request being answered, as a child of its client's span where it names one."""
        with self._span(name, SpanKind.SERVER, {}, context=propagate.extract(headers)) as span:
            yield span

    @contextmanager
    def publish(self, queue: str, attributes: Attributes) -> Iterator[Span]:
        """`send QUEUE`."""
        with self._span(f"send {queue}", SpanKind.PRODUCER, _messaging("send", queue, attributes)) as span:
            yield span

    @contextmanager
    def process(self, queue: str, trace_: Mapping[str, str], attributes: Attributes) -> Iterator[Span]:
        """`process QUEUE`."""
        context = propagate.extract(trace_)
        sender = trace.get_current_span(context).get_span_context()
        links = [Link(sender)] if sender.is_valid else []
        values = _messaging("process", queue, attributes)
        with self._span(f"process {queue}", SpanKind.CONSUMER, values, context=context, links=links) as span:
            yield span

    @contextmanager
    def call(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """`NAME PROVIDER`."""
        with self._span(
            f"{name} {attributes.get('provider', '')}", SpanKind.CLIENT, _named(attributes)
        ) as span:
            yield span

    def headers(self) -> dict[str, str]:
        """`traceparent`, and `tracestate` where there is one."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return {name: value for name, value in carrier.items() if name in ("traceparent", "tracestate")}

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any],
        *,
        context: Context | None = None,
        links: list[Link] | None = None,
    ) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name, context=context, kind=kind, attributes=dict(attributes), links=links,
            # Its text may hold what must not be told.
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            mine = _Span(span)
            try:
                yield mine
            except Exception as error:
                mine.fail(type(error).__name__)
                raise


def _messaging(operation: str, queue: str, attributes: Attributes) -> dict[str, Any]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        **_named(attributes),
    }


def _named(attributes: Attributes) -> dict[str, Any]:
    return {NAMES[name]: value for name, value in attributes.items() if name in NAMES}
