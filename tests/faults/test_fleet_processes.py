"""A fleet of real processes on PostgreSQL: replaced one after the other, killed, ended by Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from postroom.cli.fleet_processes import FleetProcess, stop_all
from postroom.jobs import EmailJob
from postroom.settings import load
from postroom.wiring import open_application
from support.patience import PATIENCE_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.postgresql, pytest.mark.timeout(180)]


@pytest.fixture
def environment(postgres_url: str) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    return {
        **own, "POSTROOM_DATABASE_URL": postgres_url, "POSTROOM_EMAIL_PROVIDERS": "noop:",
        "POSTROOM_DELAY_NORMAL_SECONDS": "0", "POSTROOM_RETRY_BASE_SECONDS": "0.1",
    }  # fmt: skip


def ask(url: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(url.partition("?")[0], row_factory=dict_row) as connection:
        return connection.execute(query.encode()).fetchall()


def fleet_command(environment: dict[str, str], folder: Path, *more: str) -> "subprocess.Popen[str]":
    port = 20_000 + os.getpid() % 20_000
    return subprocess.Popen(
        [sys.executable, "-m", "postroom", "fleet", "--apis", "1", "--workers", "2", "--rate", "20",
         "--port", str(port), "--folder", str(folder), *more],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_rolling_restart_loses_and_repeats_nothing(
    environment: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    """Who is asked to stop finishes what it has and gives the rest back: each message is called for once."""
    command = fleet_command(environment, tmp_path, "--seconds", "6", "--restart-every", "1")
    out, err = command.communicate(timeout=150)

    assert command.returncode == 0, out + err
    assert "0 left" in out
    jobs = ask(postgres_url, "SELECT status, attempts FROM postroom.jobs WHERE type = 'email_send'")
    calls = ask(postgres_url, "SELECT message_id, count(*) AS n FROM postroom.deliveries GROUP BY 1")
    assert jobs
    assert {(one["status"], one["attempts"]) for one in jobs} == {("done", 1)}
    assert len(calls) == len(jobs)
    assert {one["n"] for one in calls} == {1}


def test_ctrl_c_ends_everything_with_its_account(environment: dict[str, str], tmp_path: Path) -> None:
    """The load ends, what was accepted is done, and no process is left."""
    command = fleet_command(environment, tmp_path)
    deadline = time.monotonic() + PATIENCE_SECONDS
    log = tmp_path / "worker-2.log"
    while not (log.exists() and "ready" in log.read_text()):
        assert time.monotonic() < deadline
        assert command.poll() is None, command.communicate()
        time.sleep(0.05)
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=120)

    assert command.returncode == 0, out + err
    assert "0 left" in out
    assert "every process has ended" in err


async def test_killed_workers_lose_nothing_and_every_repetition_is_explained(
    environment: dict[str, str], postgres_url: str, tmp_path: Path
) -> None:
    """kill -9 again and again: each message is sent, and twice only where an attempt was lost in its middle."""
    (tmp_path / "wrangler.json").write_text(
        '{"queues": {"producers": [{"queue": "message-delivery", "binding": "MESSAGE_QUEUE"}], "consumers": '
        '[{"queue": "message-delivery", "max_batch_timeout": 0, "max_retries": 20, "visibility_timeout_ms": 1000, '
        '"dead_letter_queue": "dlq"}]}}'
    )
    processes = [FleetProcess(f"worker-{n}", ("consume",), tmp_path, environment) for n in range(3)]
    names = [f"m{n}" for n in range(60)]
    settings = load(
        {n: v for n, v in environment.items() if n.startswith("POSTROOM_")}, folder=tmp_path
    ).settings
    async with open_application(settings, consume=False) as app:
        for name in names:
            job = EmailJob(message_id=name, recipient="anna@example.com", subject="S", content="text")
            await app.producer.enqueue_job(job)
    for one in processes:
        one.start()
    try:
        deadline = time.monotonic() + 120
        turn = 0
        while True:
            rows = ask(postgres_url, "SELECT status, count(*) AS n FROM postroom.jobs GROUP BY 1")
            counts = {row["status"]: row["n"] for row in rows}
            if counts.get("done") == len(names):
                break
            assert time.monotonic() < deadline, (counts, [one.tail() for one in processes])
            if turn < 6 and counts.get("done", 0) >= turn * 8:
                victim = processes[turn % len(processes)]
                victim.ask_to_stop(signal.SIGKILL)
                victim.wait(time.monotonic() + 5)
                victim.start()
                turn += 1
            time.sleep(0.05)
    finally:
        stop_all(processes)

    attempts = ask(
        postgres_url,
        "SELECT j.reference, a.outcome FROM postroom.jobs j JOIN postroom.attempts a ON a.job_id = j.id",
    )
    lost = {row["reference"] for row in attempts if row["outcome"] == "unknown"}
    calls = Counter(
        row["message_id"] for row in ask(postgres_url, "SELECT message_id FROM postroom.deliveries")
    )
    assert set(calls) == set(names)
    assert {name for name, count in calls.items() if count > 1} <= lost
