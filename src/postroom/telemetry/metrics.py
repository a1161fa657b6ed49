"""Metrics for Prometheus, made from events and from a look at the queues. No label names a person or a message.

https://prometheus.io/docs/practices/naming/
"""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from postroom.jobs.events import JobFinished, JobRejected
from postroom.kit.events import Events
from postroom.queues import Queues
from postroom.queues import events as queue_events

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class Metrics:
    """Counts what is announced in this process."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self.registry = CollectorRegistry()
        self._jobs = self._counter("jobs", "Attempts of jobs, by how they ended.", ("type", "outcome"))
        self._job_seconds = self._histogram("job_duration_seconds", "How long attempts took.", ("type",))
        self._rejected = self._counter("jobs_rejected", "Messages that were no valid job.", ("queue",))
        self._batches = self._counter("batches", "Batches that handlers finished.", ("queue",))
        self._settled = self._counter(
            "messages_settled", "Messages settled, by what became of them.", ("queue", "how")
        )
        self._dropped = self._counter("messages_dropped", "Messages deleted undelivered.", ("queue",))
        self._expired = self._counter("messages_expired", "Messages that outlived retention.", ("queue",))
        self._lost = self._counter("leases_lost", "Leases that ended too early.", ("queue",))
        self._calls = self._counter(
            "provider_calls", "Calls to providers, by verdict.", ("provider", "channel", "outcome")
        )
        self._call_seconds = self._histogram(
            "provider_call_duration_seconds", "How long providers took to answer.", ("provider",)
        )
        self._failovers = self._counter(
            "failovers", "Messages that left by another provider.", ("failed", "provider")
        )
        self._moves = self._counter("message_moves", "Moves of messages.", ("channel", "move", "after"))
        self._circuit = Gauge(
            "postroom_circuit_open",
            "1 while calls to a provider are held back.",
            ("provider",),
            registry=self.registry,
        )
        self._requests = self._counter("requests_refused", "Requests refused or failed.", ("status",))
        self._backlog = self._gauge("queue_backlog", "Messages waiting, delayed or in flight.")
        self._bytes = self._gauge("queue_backlog_bytes", "Their bodies' bytes.")
        self._oldest = self._gauge("queue_oldest_seconds", "Age of the oldest of them.")

    def listen(self, events: Events) -> None:
        """Count from now on."""
        events.subscribe(object, self.count)

    async def page(self) -> bytes:
        """The exposition, with the queues as they are now."""
        now_us = self._queues.clock.now_us()
        for name in await self._queues.names():
            metrics = await self._queues[name].metrics()
            self._backlog.labels(name).set(metrics.backlog_count)
            self._bytes.labels(name).set(metrics.backlog_bytes)
            oldest = metrics.oldest_message_timestamp
            age = max(0.0, now_us / 1e6 - oldest.timestamp()) if oldest is not None else 0.0
            self._oldest.labels(name).set(age)
        return generate_latest(self.registry)

    def count(self, event: object) -> None:
        """Take one event into account."""
        match event:
            case JobFinished():
                self._jobs.labels(event.type, event.outcome).inc()
                self._job_seconds.labels(event.type).observe(event.duration_seconds)
            case JobRejected():
                self._rejected.labels(event.queue).inc()
            case queue_events.BatchHandled():
                self._batches.labels(event.queue).inc()
                for how in ("acked", "retried", "dead_lettered", "dropped", "released"):
                    self._settled.labels(event.queue, how).inc(getattr(event, how))
            case queue_events.MessageDropped():
                self._dropped.labels(event.queue).inc()
            case queue_events.MessagesExpired():
                self._expired.labels(event.queue).inc(event.count)
            case queue_events.LeaseLost():
                self._lost.labels(event.queue).inc(len(event.ids))
            case _:
                self._by_name(type(event).__name__, event)

    def _by_name(self, kind: str, event: Any) -> None:
        """Events of parts that this one must not import."""
        if kind == "AttemptFinished":
            self._calls.labels(event.provider, event.channel, event.outcome).inc()
            self._call_seconds.labels(event.provider).observe(event.duration_seconds)
        elif kind == "FailedOver":
            self._failovers.labels(event.failed, event.provider).inc()
        elif kind == "MessageMoved":
            self._moves.labels(event.channel, event.move, event.after).inc()
        elif kind == "CircuitMoved":
            self._circuit.labels(event.provider).set(event.circuit != "closed")
        elif kind in ("RequestDenied", "RequestFailed"):
            self._requests.labels(str(event.status)).inc()

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"postroom_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: tuple[str, ...]) -> Histogram:
        return Histogram(f"postroom_{name}", text, labels, buckets=SECONDS, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"postroom_{name}", text, ("queue",), registry=self.registry)
