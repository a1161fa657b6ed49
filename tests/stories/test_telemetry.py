"""Traces, errors, metrics and logs: what they have, and that nothing about people gets into any of them."""

import json
import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import sentry_sdk
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from postroom.delivery.testing import AcceptAndReply, TwilioDouble
from postroom.jobs import JobRegistry
from postroom.kit.tracing import Tracers
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.telemetry import configure_logging, log_events
from postroom.telemetry.otel import OtelTracer
from postroom.telemetry.sentry import SentryTracer
from postroom.web.app import create_app
from postroom.wiring import open_application, web_services
from postroom.wiring.telemetry import Telemetry

CANARY = "CaNaRy7"


class Sink(Transport):
    """Where Sentry's envelopes go in these tests: the bytes that would travel."""

    taken: ClassVar[list[dict[str, Any]]] = []
    raw: ClassVar[list[bytes]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        Sink.raw.append(envelope.serialize())
        Sink.taken += [item.payload.json for item in envelope.items if item.payload.json]


@pytest.fixture
def sentry() -> Iterator[SentryTracer]:
    Sink.taken.clear()
    Sink.raw.clear()
    tracer = SentryTracer("https://key@sentry.example/1", environment="test", release="0", transport=Sink)
    yield tracer
    tracer.close()
    sentry_sdk.init(default_integrations=False, auto_enabling_integrations=False)


def environ(tmp_path: Any, **more: str) -> dict[str, str]:
    return {
        "POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}",
        "POSTROOM_PUBLIC_URL": "https://p.example.org",
        **more,
    }


async def test_nobody_is_in_any_of_them(
    tmp_path: Any, clock: VirtualClock, sentry: SentryTracer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A marked recipient and content go every way there is: sent, failed, refused, crashed, called back."""
    import httpx

    spans = InMemorySpanExporter()
    otel = OtelTracer()
    otel.provider.add_span_processor(SimpleSpanProcessor(spans))
    configure_logging(format="json", level="debug")
    registry = JobRegistry()
    answers: list[str] = []
    async with TwilioDouble() as double:
        settings = load(environ(
            tmp_path, POSTROOM_WEBHOOKS=f"twilio={double.token}",
            POSTROOM_SMS_PROVIDERS=f"twilio://{double.account}:{double.token}@?from=%2B15005550006&phi=yes&base={double.url}",
        ), folder=tmp_path).settings  # fmt: skip
        telemetry = Telemetry(Tracers([sentry, otel]), sentry)
        async with open_application(
            settings, consume=True, clock=clock, registry=registry, telemetry=telemetry
        ) as app:
            log_events(app.queues.events)
            asgi = create_app(web_services(app))

            async def ask(method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
                transport = httpx.ASGITransport(asgi, client=("127.0.0.1", 1))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    content = body if isinstance(body, bytes) else json.dumps(body).encode()
                    answer = await client.request(method, path, content=content, headers=headers)
                if not path.endswith("/content"):
                    answers.append(answer.text)
                return answer

            async with app.queues.running():
                text = {"channel": "sms", "recipient": "+14155550123", "content": CANARY, "messageId": "m-1"}
                await ask("POST", "/api/messages", text)
                await ask("POST", "/api/messages", {**text, "recipient": CANARY, "messageId": "m-2"})
                await ask("GET", "/api/messages/m-1/content")
                await ask("POST", "/api/messages/m-1/send", {}, **{"if-match": "*"})
                await clock.advance(5)
                await ask(*("POST", double.callback(double.messages[0], "undelivered", 30003)[0].removeprefix("https://p.example.org")),
                          double.callback(double.messages[0], "undelivered", 30003)[2],
                          **double.callback(double.messages[0], "undelivered", 30003)[1])  # fmt: skip
                double.script(AcceptAndReply(500, {"message": f"{CANARY} +14155550123"}))
                await ask(
                    "POST",
                    "/api/enqueue-job",
                    {"type": "sms_send", "messageId": "m-3", "recipient": "+14155550123", "content": CANARY},
                )
                await ask(
                    "POST",
                    "/api/enqueue-job",
                    {
                        "type": "email_send",
                        "messageId": "m-4",
                        "recipient": f"{CANARY}@example.com",
                        "subject": CANARY,
                        "content": f"test-failure {CANARY}",
                    },
                )
                await ask("POST", "/api/enqueue-job", f'{{"type":"sms_send","recipient":"{CANARY}'.encode())
                url = "https://p.example.org/webhooks/twilio"
                for words in ("STOP", f"stop {CANARY}", CANARY):
                    _, signed, posted = double.inbound(url, "+14155550123", words)
                    await ask("POST", "/webhooks/twilio", posted, **signed)
                for draft in ("m-5", "m-6"):
                    await ask("POST", "/api/messages", {**text, "messageId": draft})
                await ask("PATCH", "/api/messages/m-5", {"content": f"{CANARY}!"}, **{"if-match": "*"})
                await ask("POST", "/api/messages/m-5/submit", {})
                await ask("POST", "/api/messages/m-5/reject", {"note": CANARY}, **{"if-match": "*"})
                await ask("POST", "/api/messages/m-6/send", {}, **{"if-match": "*"})
                for search in ("/api/messages/search", "/api/suppressions/search"):
                    await ask("POST", search, {"recipient": "+14155550123"}, **{"idempotency-key": search})
                    await ask("POST", search, {"recipient": CANARY, "limit": CANARY})
                await ask("GET", f"/api/messages?status={CANARY}&recipient=%2B14155550123")
                await ask("GET", f"/{CANARY}/+14155550123")
                await ask("POST", "/webhooks/delivery", f"{CANARY} +14155550123".encode())
                await clock.advance(3600)
                for path in (
                    "/api/messages",
                    "/api/messages/m-1/events",
                    "/api/audit",
                    "/debug/delivery-status",
                    "/metrics",
                    "/debug/sentry",
                ):
                    await ask("GET", path)
            page = (await app.telemetry.metrics.page()).decode() if app.telemetry.metrics else ""
    everything = {
        "sentry": b"".join(Sink.raw).decode(errors="replace"), "logs": capsys.readouterr().err,
        "spans": "".join(span.to_json() for span in spans.get_finished_spans()), "metrics": page,
        "answers": "".join(answers),
    }  # fmt: skip
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()
    for place, written in everything.items():
        assert len(written) > 500, place
        assert CANARY.lower() not in written.lower(), place
        assert "4155550123" not in written, place


async def test_trace_goes_from_the_request_to_the_provider(
    tmp_path: Any, clock: VirtualClock, sentry: SentryTracer
) -> None:
    """One trace id in the producer's transaction and the consumer's, with the fields of Sentry's Queues insights."""
    import httpx

    settings = load(environ(tmp_path), folder=tmp_path).settings
    async with open_application(
        settings, consume=True, clock=clock, telemetry=Telemetry(sentry, sentry)
    ) as app:
        transport = httpx.ASGITransport(create_app(web_services(app)), client=("127.0.0.1", 1))
        async with (
            app.queues.running(),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            await client.get("/debug/enqueue")
            await clock.advance(5)

    found = {one["contexts"]["trace"]["op"]: one for one in Sink.taken if one.get("type") == "transaction"}
    request, job = found["http.server"], found["queue.process"]
    (publish,) = (span for span in request["spans"] if span["op"] == "queue.publish")
    assert request["contexts"]["trace"]["trace_id"] == job["contexts"]["trace"]["trace_id"]
    assert publish["data"]["messaging.destination.name"] == "message-delivery"
    assert publish["data"]["messaging.message.body.size"] > 0
    data = job["contexts"]["trace"]["data"]
    assert data["messaging.message.id"] == publish["data"]["messaging.message.id"]
    assert data["messaging.message.retry.count"] == 0
    assert data["messaging.message.receive.latency"] == pytest.approx(1500, abs=1000)
    assert [span["op"] for span in job["spans"]] == ["delivery.send"]


async def test_crash_of_a_processor_is_reported_without_its_words(
    tmp_path: Any, clock: VirtualClock, sentry: SentryTracer
) -> None:
    """Class and place, the job's ids, breadcrumbs; no text, no local variables."""
    import msgspec

    registry = JobRegistry()

    @registry.job("boom")
    class Boom(msgspec.Struct):
        pass

    @registry.processor(Boom)
    async def crash(job: Boom, context: Any) -> None:
        recipient = CANARY  # noqa: F841 - a local variable that must not travel
        raise ValueError(f"550 5.1.1 <{CANARY}@example.com>")

    settings = load(environ(tmp_path), folder=tmp_path).settings
    async with (
        open_application(
            settings, consume=True, clock=clock, registry=registry, telemetry=Telemetry(sentry, sentry)
        ) as app,
        app.queues.running(),
    ):
        await app.producer.enqueue_job(Boom())
        await clock.advance(5)

    (event,) = (one for one in Sink.taken if one.get("exception"))
    (value,) = event["exception"]["values"]
    assert (value["type"], value["value"]) == ("ValueError", "")
    assert event["contexts"]["job"]["type"] == "boom"
    assert any(crumb["category"].startswith("postroom.") for crumb in event["breadcrumbs"]["values"])
    assert CANARY not in json.dumps(event)


async def test_opentelemetry_s_spans(tmp_path: Any, clock: VirtualClock) -> None:
    """send, process and call, by the conventions' names, linked to the producer."""
    exporter, otel = InMemorySpanExporter(), OtelTracer()
    otel.provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = load(environ(tmp_path), folder=tmp_path).settings
    async with (
        open_application(settings, consume=True, clock=clock, telemetry=Telemetry(otel)) as app,
        app.queues.running(),
    ):
        await app.producer.enqueue_email(message_id="m", recipient="a@example.com", subject="S", content="C")
        await clock.advance(5)

    spans = {span.name: span for span in exporter.get_finished_spans()}
    send, process = spans["send message-delivery"], spans["process message-delivery"]
    assert {"messaging.system", "messaging.operation.name", "messaging.destination.name"} <= set(
        process.attributes or {}
    )
    assert process.context.trace_id == send.context.trace_id
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert "send noop" in spans


async def test_metrics_count_what_happened(tmp_path: Any, clock: VirtualClock) -> None:
    """Jobs, calls, moves, and what waits."""
    settings = load(environ(tmp_path), folder=tmp_path).settings
    async with open_application(settings, consume=True, clock=clock) as app, app.queues.running():
        await app.producer.enqueue_email(message_id="m", recipient="a@example.com", subject="S", content="C")
        await clock.advance(5)
        assert app.telemetry.metrics is not None
        page = (await app.telemetry.metrics.page()).decode()

    assert 'postroom_jobs_total{outcome="done",type="email_send"} 1.0' in page
    assert 'postroom_provider_calls_total{channel="email",outcome="accepted",provider="noop"} 1.0' in page
    assert 'postroom_message_moves_total{after="sent",channel="email",move="hand_over"} 1.0' in page
    assert 'postroom_queue_backlog{queue="message-delivery"} 0.0' in page
