"""Searching jobs without scanning (operations/search.py), and the plans of every query of the pages."""

import sqlite3
from typing import Any

import pytest
from operations_support import bury, text

from postroom.kit.queries import load
from postroom.operations import Jobs, JobSearch, search
from postroom.queues.testing import VirtualClock
from postroom.wiring import Application

SQL = load("postroom.store")


async def found(app: Application, wanted: JobSearch, **more: Any) -> list[str]:
    return [row["reference"] for row in (await Jobs(app.store).search(wanted, **more)).rows]


async def test_by_state_type_error_and_age(app: Application, clock: VirtualClock) -> None:
    """Every condition that is given must hold; newest first."""
    await bury(app, clock, 2)
    middle_us = clock.now_us()
    await clock.advance(10)
    await text(app, "young")
    assert await found(app, JobSearch(status="failed")) == ["dead-1", "dead-0"]
    assert await found(app, JobSearch()) == ["young", "dead-1", "dead-0"]
    assert await found(app, JobSearch(since_us=middle_us)) == ["young"]
    assert await found(app, JobSearch(until_us=middle_us)) == ["dead-1", "dead-0"]
    assert await found(app, JobSearch(type="email_send")) == []
    reason = (await Jobs(app.store).search(JobSearch(status="failed"))).rows[0]["reason"]
    assert await found(app, JobSearch(text=reason[3:9].upper())) == ["dead-1", "dead-0"]
    assert await found(app, JobSearch(text="%")) == []


async def test_by_any_id(app: Application, clock: VirtualClock) -> None:
    """The job's, or the message's."""
    id_ = await text(app, "m-1")
    jobs = Jobs(app.store)
    assert (await jobs.find(id_))["reference"] == "m-1"
    assert (await jobs.find("m-1"))["id"] == id_
    assert await jobs.find("nope") is None


async def test_pages_go_by_key_and_are_bounded(
    app: Application, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has looked at enough says how far it came; the next goes on there."""
    for number in range(10):
        await text(app, f"m-{number}")
        await clock.advance(1)
    jobs = Jobs(app.store)
    first = await jobs.search(JobSearch(), limit=4)
    second = await jobs.search(JobSearch(), before=first.next, limit=4)
    assert [row["reference"] for row in second.rows] == ["m-5", "m-4", "m-3", "m-2"]
    monkeypatch.setattr(search, "LOOKED_AT_MAX", 3)
    empty = await jobs.search(JobSearch(code="rare"), limit=4)
    assert empty.rows == []
    assert empty.looked_to_us is not None
    seen = 1
    while empty.next is not None:
        empty = await jobs.search(JobSearch(code="rare"), before=empty.next, limit=4)
        seen += 1
    assert seen == 4
    assert empty.looked_to_us is None


PAGES = (
    "search_jobs", "search_jobs_in_status", "list_jobs_failed_alike", "count_failed_alike", "job_at_or_after",
    "newest_job", "find_job", "find_message_state", "find_export_state", "find_fingerprint", "list_attempts",
    "list_deliveries", "list_message_events", "provider_events_of_delivery", "audit_of_object", "search_audit",
    "search_audit_of_actor", "list_failures", "find_failure", "list_failure_hours", "list_redrives", "find_redrive",
    "running_redrives", "find_hold", "list_metrics", "list_deploys", "last_deploy", "search_webhooks",
    "search_webhooks_waiting", "search_webhooks_odd", "newest_webhook", "oldest_webhook", "count_webhooks", "recent_jobs",
    "last_message_event", "message_events_after", "find_record", "table_keys", "newest_audit",
)  # fmt: skip
"""The queries of the operators' pages; those left out read tables of a few rows: queues, workers, schedules, rules."""
PARTIAL = ("redrives_running", "webhook_inbox_waiting", "webhook_inbox_problems")
"""Indexes of the few rows that need somebody: to go through one is not to go through the table."""
ORDERED = {"list_redrives", "search_jobs", "search_audit", "search_webhooks", "recent_jobs", "newest_job", "newest_webhook",
           "oldest_webhook", "table_keys", "last_deploy", "last_message_event", "list_failures", "newest_audit"}  # fmt: skip
"""These go along a key in its order and stop at their limit: SQLite calls that a scan where nothing bounds it below."""


@pytest.mark.parametrize("query", PAGES)
async def test_no_query_scans_a_table(app: Application, query: str) -> None:
    """Each is a search by an index, or goes along one in its order; none sorts what it found."""
    plan = plan_of(app, getattr(SQL, query))
    assert not any(
        "USE TEMP B-TREE FOR ORDER BY" in step for step in plan if query not in ("list_deliveries",)
    ), plan
    for step in plan:
        if (
            step.startswith("SCAN")
            and "CONSTANT ROW" not in step
            and "found" not in step
            and not step.endswith(PARTIAL)
        ):
            assert query in ORDERED, (step, plan)


def plan_of(app: Application, text: str) -> list[str]:
    connection = sqlite3.connect(app.store.path)
    try:

        class Anything(dict[str, Any]):
            def __missing__(self, key: str) -> Any:
                return 1

        import re

        values = dict.fromkeys(re.findall(r"(?<!:):([a-z_0-9]+)", text), 1)
        return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    finally:
        connection.close()
