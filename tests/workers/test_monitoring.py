"""Figures, alerts and why: from real work in virtual time (workers/monitoring/)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.kit.actor import Actor
from postroom.messages import Draft, Person
from postroom.queues.testing import VirtualClock
from postroom.settings import load
from postroom.wiring import Application, open_application
from postroom.workers.monitoring import read_rules, why
from postroom.workers.monitoring.exposition import exposition
from postroom.workers.monitoring.histogram import Histogram
from postroom.workers.monitoring.meter import roll_up

EVERYTHING = {"draft", "submit", "review", "send_directly"}
ANNA = Person(Actor("anna"), EVERYTHING)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def opened(tmp_path: Path, clock: VirtualClock) -> Any:
    @asynccontextmanager
    async def open_it(
        *, running: bool = True, consume: bool = True, **more: str
    ) -> AsyncIterator[Application]:
        environ = {
            "POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}",
            **{f"POSTROOM_{name.upper()}": value for name, value in more.items()},
        }
        settings = load(environ, folder=tmp_path).settings
        async with open_application(settings, consume=consume, clock=clock) as app:
            if running:
                async with app.queues.running():
                    yield app
            else:
                yield app

    return open_it


async def text(app: Application, id_: str, content: str = "x") -> None:
    await app.producer.enqueue_sms(message_id=id_, recipient="+14155552671", content=content)


async def cause(app: Application, id_: str) -> str:
    found = await why(app.store, app.queues, app.clock, id_)
    assert found is not None
    assert found.sentence.endswith(".")
    assert "+1415" not in str(found)
    return found.cause


@given(st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99, 1.0]))
def test_percentiles_are_right_to_within_a_tenth(seconds: list[float], part: float) -> None:
    """Also of two histograms that were merged."""
    one, two = Histogram(), Histogram()
    for number, value in enumerate(seconds):
        (one if number % 2 else two).add(value)
    one.merge(json.loads(json.dumps(two.counts)))
    exact = sorted(seconds)[max(0, -(-int(part * 10_000 * len(seconds)) // 10_000) - 1)]
    found = one.percentile(part)
    assert found is not None
    assert exact / 1.2 <= found <= exact * 1.2


async def test_figures_of_a_queue(opened: Any, clock: VirtualClock) -> None:
    """What was done, failed, waited; kept in the table and seen by another process."""
    async with opened() as app:
        for number in range(8):
            await text(app, f"m{number}")
        await text(app, "bad", "test-failure")
        await clock.advance(20)
        await app.meter.flush()
        async with opened(running=False, consume=False) as other:
            found = await other.monitor.performance("15m")
        queue = next(one for one in found["queues"] if one["queue"] == app.queue)
        assert (queue["done"], queue["failed"] + queue["retried"]) == (8, 1)
        assert queue["runSeconds"]["p50"] is not None
        assert queue["waitSeconds"]["p95"] >= 0.9
        (worker,) = found["workers"]
        assert app.queue in worker["queues"]


async def test_figures_survive_a_failed_write(opened: Any, clock: VirtualClock, monkeypatch: Any) -> None:
    """They are written with the next."""
    from postroom.queues import BrokerUnavailable

    async with opened() as app:
        await text(app, "m")
        await clock.advance(20)
        write = app.store.write

        async def fails(function: Any) -> Any:
            raise BrokerUnavailable("no room")

        monkeypatch.setattr(app.store, "write", fails)
        await app.meter.flush()
        monkeypatch.setattr(app.store, "write", write)
        await app.meter.flush()
        await app.meter.flush()
        queue = next(
            one for one in (await app.monitor.performance("5m"))["queues"] if one["queue"] == app.queue
        )
        assert queue["done"] == 1


async def test_minutes_become_days(opened: Any, clock: VirtualClock) -> None:
    """After two days, with the same sums; done twice it changes nothing."""
    async with opened() as app:
        for number in range(3):
            await text(app, f"m{number}")
            await clock.advance(3600)
        await app.meter.flush()
        await clock.advance(4 * 86_400)
        # Three minutes of work, and the one in which what had come in was counted.
        assert await app.store.write(lambda t: roll_up(t, clock.now_us())) == 4
        assert await app.store.write(lambda t: roll_up(t, clock.now_us())) == 0
        rows = await app.store.read(
            lambda t: t.connection.execute("SELECT span_us, done FROM metric_minutes").fetchall()
        )
        assert sum(done for span_us, done in rows if span_us == 86_400_000_000) == 3


async def test_every_cause(opened: Any, clock: VirtualClock) -> None:
    """One sentence each, and nobody named."""
    async with opened(running=False) as app:
        draft = Draft(message_id="d", channel="sms", recipient="+14155552671", content="x")
        await app.desk.draft(ANNA, draft, lambda transaction, row: row)
        assert await cause(app, "d") == "draft"
        await app.desk.submit(ANNA, "d")
        assert await cause(app, "d") == "awaiting_review"
        await text(app, "m")
        await clock.advance(2)
        assert await cause(app, "m") == "no_consumer"
        await app.queues[app.queue].pause()
        assert await cause(app, "m") == "paused"
        await app.queues[app.queue].resume()
        async with app.queues.running():
            await app.meter.flush()
            later = await app.producer.enqueue_job(
                {"type": "sms_send", "messageId": "l", "recipient": "+14155552671", "content": "x", "priority": "normal"},
                send_at=clock.now().replace(year=2030),
            )  # fmt: skip
            assert (await cause(app, "l"), await cause(app, later.job_id)) == ("delayed", "delayed")
            await text(app, "bad", "test-failure")
            await clock.advance(20)
            assert await cause(app, "m") == "sent"
            assert await cause(app, "bad") in ("retry_scheduled", "dead_lettered")
            await clock.advance(3 * 3600)
            assert await cause(app, "bad") == "dead_lettered"
        assert await why(app.store, app.queues, app.clock, "nothing") is None


async def test_job_in_the_hands_of_a_worker(opened: Any, clock: VirtualClock) -> None:
    """Says whose, and when nobody has heard of them."""
    async with opened() as app:
        await text(app, "m")
        query = "UPDATE jobs SET status = 'processing' WHERE reference = 'm'"
        await app.store.write(lambda t: t.connection.execute(query))
        await app.store.write(lambda t: t.connection.execute("UPDATE messages SET status = 'processing'"))
        await app.meter.flush()
        known = await why(app.store, app.queues, clock, "m")
        await app.store.write(lambda t: t.connection.execute("DELETE FROM workers"))
        unknown = await why(app.store, app.queues, clock, "m")
    assert known is not None
    assert unknown is not None
    assert (known.cause, unknown.cause) == ("leased", "leased")
    assert f"(process {app.meter.worker['pid']})" in known.sentence
    assert "has not been heard of" in unknown.sentence


async def mails(app: Application) -> list[str]:
    rows = await app.store.read(
        lambda t: t.connection.execute(
            "SELECT id FROM messages WHERE id LIKE 'alert-%' ORDER BY seq"
        ).fetchall()
    )
    return [id_ for (id_,) in rows]


async def test_alert_opens_once_and_recovers_once(opened: Any, clock: VirtualClock) -> None:
    """However many processes look, one mail each; flapping closes nothing."""
    rules = {"alerts": "oldest_age>600", "alert_to": "ops@example.com"}
    async with opened(running=False, **rules) as app, opened(running=False, **rules) as other:
        await text(app, "m")
        await app.queues[app.queue].pause()
        await clock.advance(700)
        assert await app.alerts.look() == 0, "a queue that somebody paused is no incident"
        await app.queues[app.queue].resume()
        for _ in range(4):
            await clock.advance(30)
            assert await app.alerts.look() + await other.alerts.look() <= 1
        assert await mails(app) == ["alert-1-opened-0"]
        async with app.queues.running():
            for _ in range(6):
                await clock.advance(30)
                await app.alerts.look()
                await other.alerts.look()
        assert await mails(app) == ["alert-1-opened-0", "alert-1-resolved-0"]
        (incident,) = await app.alerts.incidents()
        assert incident["closedAt"] is not None


async def test_failures_and_silent_schedules_are_told(opened: Any, clock: VirtualClock) -> None:
    """A tenth of at least ten jobs; a schedule that nobody fires."""
    rules = {"alerts": "failure_rate>0.1 cron_silent>10", "max_attempts": "1"}
    async with opened(**rules) as app:
        await app.scheduler.declare()
        for number in range(12):
            await text(app, f"m{number}", "test-failure" if number % 2 else "x")
        await clock.advance(20)
        await app.meter.flush()
        await app.alerts.look()
        assert {one["rule"] for one in await app.alerts.incidents()} == {"failure_rate"}
        await clock.advance(86_400)
        await app.alerts.look()
        assert "cron_silent" in {one["rule"] for one in await app.alerts.incidents()}


@pytest.mark.parametrize("given_", ["oldest>5", "oldest_age<5", "disk_free>5", "oldest_age>soon"])
def test_rule_that_is_none(given_: str) -> None:
    """Lists those there are."""
    with pytest.raises(ValueError, match="oldest_age>NUMBER"):
        read_rules(given_)


async def test_health_names_what_is_wrong(opened: Any, clock: VirtualClock) -> None:
    """A sentence each."""
    async with opened(running=False) as app:
        await text(app, "m")
        await clock.advance(2)
        assert (await app.monitor.health())["status"] == "warn"
        await clock.advance(1000)
        found = await app.monitor.health()
        assert found["status"] == "fail"
        assert any(f"obody consumes {app.queue}" in one["sentence"] for one in found["checks"])


async def test_every_metric_is_documented(opened: Any, clock: VirtualClock) -> None:
    """docs/guides/monitoring.md has each name with its unit."""
    async with opened() as app:
        await text(app, "m")
        await clock.advance(20)
        await app.meter.flush()
        page = await exposition(app.monitor)
    names = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    guide = (Path(__file__).parents[2] / "docs/guides/monitoring.md").read_text(encoding="utf-8")
    assert {name for name in names if f"`{name}`" not in guide} == set()
    assert all(line.startswith(("#", "postroom_")) for line in page.splitlines())


async def test_dead_letters_that_came_are_told(opened: Any, clock: VirtualClock) -> None:
    """Each that entered the dead-letter queue counts, whatever else is in it; the provider and worker are there too."""
    async with opened(alerts="dlq_growth>2") as app:
        for number in range(3):
            await text(app, f"m{number}", "test-failure")
        await clock.advance(20)
        await app.meter.flush()
        await app.alerts.look()
        (incident,) = await app.alerts.incidents()
        assert (incident["rule"], incident["value"], incident["closedAt"]) == ("dlq_growth", 3, None)
        page = await exposition(app.monitor)
    assert 'postroom_queue_entered_5m{queue="dlq"} 3' in page
    assert 'postroom_provider_available{channel="sms",provider="noop"} 1' in page
    assert "postroom_worker_heartbeat_age_seconds{worker=" in page
