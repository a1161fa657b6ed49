"""`postroom up` as a process: it answers, delivers, and ends when asked."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from cli_support import PATIENCE_SECONDS, postroom, until


class Running:
    """A `postroom` process and its log."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def event(self, name: str) -> dict[str, object]:
        """The log line of that event, as soon as it is there."""

        def look() -> dict[str, object] | None:
            assert self.process.poll() is None, self.log.read_text()
            lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.endswith("}")]
            return next((line for line in lines if line["event"] == name), None)

        return until(look, name) or {}


@contextmanager
def running(folder: Path, *args: str) -> Iterator[Running]:
    log = folder / "log.txt"
    environ = {**os.environ, "POSTROOM_DELAY_NORMAL_SECONDS": "0"}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "postroom", *args], cwd=folder, env=environ, stdout=errors, stderr=errors
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_SECONDS)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_up_answers_delivers_and_ends_with_0(number: signal.Signals, folder: Path) -> None:
    """From the HTTP request to the mailbox's folder; then a signal."""
    with running(folder, "up", "--port", "0") as service:
        url = str(service.event("ready")["url"])
        assert httpx.get(f"{url}/health").status_code == 200
        assert httpx.get(f"{url}/debug/enqueue").status_code == 202
        until(lambda: list((folder / "var/mail").glob("*.eml")), "an email in var/mail")

        service.process.send_signal(number)

        assert service.process.wait(PATIENCE_SECONDS) == 0
        text = service.log.read_text()
    assert '"stopped"' in text
    assert "Traceback" not in text
    assert "test@example.com" not in text


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_it_at_once(
    number: signal.Signals, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first would wait half a minute for an email whose server says nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        smtp_url = f"smtp://127.0.0.1:{silent.getsockname()[1]}?tls=none&hello=tests.example"
        monkeypatch.setenv("POSTROOM_SMTP_URL", smtp_url)
        with running(folder, "up", "--port", "0") as service:
            url = str(service.event("ready")["url"])
            assert httpx.get(f"{url}/debug/enqueue").status_code == 202
            silent.settimeout(PATIENCE_SECONDS)
            connection, _ = silent.accept()
            with connection:
                service.process.send_signal(number)
                service.event("stopping")
                assert service.process.poll() is None
                service.process.send_signal(number)

                assert service.process.wait(5) == -number
            text = service.log.read_text()
    assert "Traceback" not in text


@pytest.mark.slow
def test_serve_and_consume_share_the_work(folder: Path) -> None:
    """One answers, the other delivers; both end with 0."""
    with running(folder, "serve", "--port", "0") as api:
        url = str(api.event("ready")["url"])
        job = httpx.get(f"{url}/debug/enqueue").json()["jobs"][0]["jobId"]
        api.process.terminate()
        assert api.process.wait(PATIENCE_SECONDS) == 0
    with running(folder, "queue", "consumer") as consumer:
        consumer.event("ready")
        until(lambda: list((folder / "var/mail").glob("*.eml")), "an email in var/mail")
        until(
            lambda: job in (found := postroom("queue", "status").stdout) and "1 done" in found, "the job done"
        )
        consumer.process.terminate()
        assert consumer.process.wait(PATIENCE_SECONDS) == 0


def test_a_taken_port_is_one_line() -> None:
    """With exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        lines = postroom("serve", "--port", str(port), code=1).stderr.splitlines()

    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1
    assert f"port {port}" in errors[0]


def test_a_flag_is_checked_like_its_setting() -> None:
    """A wrong port, and an address that the local environment must not listen on."""
    assert "POSTROOM_PORT (flag)" in postroom("up", "--port", "99999", code=1).stderr
    assert "POSTROOM_HOST" in postroom("up", "--host", "0.0.0.0", code=1).stderr
