"""Each fire once in the fleet, none lost, none twice, whatever the clock does (workers/cron/schedules.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from postroom.kit.actor import Actor
from postroom.queues import ConfigurationError
from postroom.queues.testing import VirtualClock
from postroom.settings import SettingsInvalid, load
from postroom.wiring import Application, open_application
from postroom.workers.cron.housekeeping import TARGETS

JOB = '{"type": "cleanup", "target": "temp_files", "olderThan": "2020-01-01"}'
DAY = 86_400
WRANGLER = """
{"queues": {"producers": [{"queue": "jobs", "binding": "MESSAGE_QUEUE"}]}, "triggers": {"crons": [%s]}}
"""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def opened(tmp_path: Path, clock: VirtualClock) -> Any:
    @asynccontextmanager
    async def open_it(
        cron: str = f"tidy=0 * * * * {JOB}", missed: str = "once"
    ) -> AsyncIterator[Application]:
        environ = {
            "POSTROOM_DATABASE_URL": f"sqlite:///{tmp_path / 'app.db'}", "POSTROOM_CRON": cron,
            "POSTROOM_CRON_MISSED": missed, "POSTROOM_ARCHIVE_DIR": str(tmp_path / "archive"),
            "POSTROOM_EXPORTS_DIR": str(tmp_path / "exports"),
        }  # fmt: skip
        async with open_application(
            load(environ, folder=tmp_path).settings, consume=False, clock=clock
        ) as app:
            await app.scheduler.declare()
            yield app

    return open_it


async def fired(app: Application) -> int:
    rows = await app.store.read(
        lambda t: t.all("list_audit", actor=None, action="schedule.fired", object_type=None, object_id=None, from_us=0,
                        before=1 << 60, until_us=1 << 62, limit=1000)
    )  # fmt: skip
    return len(rows)


async def jobs(app: Application) -> int:
    row = await app.store.read(lambda t: t.connection.execute("SELECT count(*) FROM jobs").fetchone())
    return int(row[0])


async def test_fleet_fires_once(opened: Any, clock: VirtualClock) -> None:
    """Four processes look at the same moment: one enqueues, in the transaction that moves the schedule on."""
    async with opened() as a, opened() as b, opened() as c, opened() as d:
        for hour in range(1, 4):
            await clock.advance(3600)
            await asyncio.gather(*(app.scheduler.tick() for app in (a, b, c, d, a)))
            assert (await fired(a), await jobs(a)) == (hour, hour)


async def test_running_service_fires_by_itself(opened: Any, clock: VirtualClock) -> None:
    """And waits no longer than it has to."""
    async with opened(f"tidy=0 0 * * * {JOB}") as app:
        await app.scheduler.start()
        await clock.advance(2 * DAY)
        await app.scheduler.stop()
        assert await fired(app) == 2


@pytest.mark.parametrize(("missed", "runs", "skipped"), [("once", 1, 0), ("skip", 0, 1), ("all", 5, 0)])
async def test_missed_fires_follow_the_policy(
    opened: Any, clock: VirtualClock, missed: str, runs: int, skipped: int
) -> None:
    """Nobody ran for five hours."""
    async with opened(missed=missed):
        pass
    await clock.advance(5 * 3600 + 120)
    async with opened(missed=missed) as app:
        for _ in range(10):
            await app.scheduler.tick()
        assert (await fired(app), await jobs(app)) == (runs, runs)
        (row,) = await app.store.read(lambda t: t.all("list_schedules"))
        assert (row["next_us"] > clock.now_us(), row["skipped"]) == (True, skipped)


async def test_more_than_a_hundred_missed_fires_run_once(opened: Any, clock: VirtualClock) -> None:
    """Even where all are wanted."""
    async with opened(missed="all"):
        pass
    await clock.advance(200 * 3600)
    async with opened(missed="all") as app:
        for _ in range(5):
            await app.scheduler.tick()
        assert await fired(app) == 1


async def test_clock_that_is_set_back_fires_nothing_again(opened: Any, clock: VirtualClock) -> None:
    """A schedule only moves forward."""
    async with opened() as app:
        await clock.advance(3600)
        await app.scheduler.tick()
        clock.jump(-7200)
        for _ in range(3):
            await app.scheduler.tick()
        assert await fired(app) == 1


async def test_clock_that_was_far_wrong_is_believed_once_it_is_right(
    opened: Any, clock: VirtualClock
) -> None:
    """Four years ahead it fired; set right it must not be silent for four years."""
    async with opened() as app:
        clock.jump(4 * 365 * DAY)
        await app.scheduler.tick()
        clock.jump(-4 * 365 * DAY)
        await app.scheduler.tick()
        before = await fired(app)
        await clock.advance(3600)
        await app.scheduler.tick()
        assert (before, await fired(app)) == (1, 2)


async def test_schedules_can_be_seen_without_being_put_on_record(opened: Any, clock: VirtualClock) -> None:
    """A look writes nothing, and shows what the settings have all the same."""
    async with opened("other=off") as app:
        rows = await app.store.read(lambda t: t.all("list_schedules"))
        assert (rows, await app.scheduler.view()) == ([], [])
    async with opened() as app:
        await app.store.write(lambda t: t.connection.execute("DELETE FROM schedules"))
        (shown,) = await app.scheduler.view()
        assert (shown["name"], shown["active"], len(shown["upcoming"])) == ("tidy", True, 5)
        assert await app.store.read(lambda t: t.all("list_schedules")) == []


async def test_crash_before_the_commit_leaves_it_due(
    opened: Any, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the move nor the job is there; the next look does both."""
    async with opened() as app:
        await clock.advance(3600)
        whole = app.scheduler.enlist

        def dies(transaction: Any, job: Any) -> str:
            whole(transaction, job)
            raise RuntimeError("power cut")

        monkeypatch.setattr(app.scheduler, "enlist", dies)
        with pytest.raises(RuntimeError):
            await app.scheduler.tick()
        monkeypatch.setattr(app.scheduler, "enlist", whole)
        assert await jobs(app) == 0
        await app.scheduler.tick()
        assert (await fired(app), await jobs(app)) == (1, 1)


async def test_changed_expression_begins_anew(opened: Any, clock: VirtualClock) -> None:
    """From now; one that is no longer set stays on record and fires nothing."""
    async with opened():
        pass
    await clock.advance(7200)
    async with opened(f"tidy=30 * * * * {JOB}") as app:
        await app.scheduler.tick()
        assert await fired(app) == 0
    async with opened("other=off") as app:
        (row,) = await app.store.read(lambda t: t.all("list_schedules"))
        assert row["declared"] == 0
        await clock.advance(DAY)
        await app.scheduler.tick()
        assert await fired(app) == 0


async def test_paused_schedule_makes_up_for_nothing(opened: Any, clock: VirtualClock) -> None:
    """It goes on from its next moment."""
    async with opened() as app:
        assert await app.scheduler.pause("tidy", paused=True, actor=Actor("anna"))
        assert not await app.scheduler.pause("tidy", paused=True, actor=Actor("anna"))
        await clock.advance(5 * 3600)
        await app.scheduler.tick()
        await app.scheduler.pause("tidy", paused=False, actor=Actor("anna"))
        await app.scheduler.tick()
        assert await fired(app) == 0
        await clock.advance(3600)
        await app.scheduler.tick()
        assert await fired(app) == 1


async def test_housekeeping_enqueues_the_night_s_cleanups(opened: Any, clock: VirtualClock) -> None:
    """Each target, as old as its policy says."""
    async with opened("housekeeping=0 3 * * *") as app:
        await clock.advance(DAY)
        await app.scheduler.tick()
        assert await jobs(app) == len(TARGETS) + 1


async def test_crons_of_the_wrangler_file_do_the_housekeeping(
    opened: Any, tmp_path: Path, clock: VirtualClock
) -> None:
    """Read as they stand, cleanups and the question to providers alike; one that is wrong is named with its place."""
    (tmp_path / "wrangler.json").write_text(WRANGLER % '"*/5 * * * *"')
    async with opened("housekeeping=off") as app:
        assert list(app.scheduler.schedules) == ["wrangler-1"]
        await clock.advance(301)
        await app.scheduler.tick()
        assert await jobs(app) == len(TARGETS) + 1
    (tmp_path / "wrangler.json").write_text(WRANGLER % '"* * * * *", "* * * * 9"')
    with pytest.raises(ConfigurationError, match=r"triggers.crons\[1\].*day of the week"):
        async with opened():
            pass


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("tidy=0 * * * *", "needs a job"),
        ("tidy=0 25 * * * {}", "hour of"),
        ("a=off; Bad=0 * * * *", "lower-case name"),
        ("housekeeping=0 3 * * *@Mars/Base", "no IANA time zone"),
    ],
)
def test_setting_that_is_wrong_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    """Before anything starts."""
    with pytest.raises(SettingsInvalid, match=complaint):
        load({"POSTROOM_CRON": text}, folder=tmp_path)
