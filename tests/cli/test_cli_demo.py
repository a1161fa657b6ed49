"""`postroom demo`: the show, and that its service never outlives it."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from pathlib import Path

import pytest
from cli_support import PATIENCE_SECONDS, answer, postroom, until

from postroom.cli.demo_messages import SCENES
from postroom.cli.demo_people import PASSWORD, PEOPLE

# Whole services are started and stopped; a busy machine takes its time.
pytestmark = pytest.mark.timeout(180)

COMMAND = (sys.executable, "-m", "postroom", "demo", "--port", "0")
LOG = Path("var/demo/service.log")


@contextmanager
def demo(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own; killed with its service in the end."""
    with subprocess.Popen(
        COMMAND, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            if (folder / LOG).exists() and (pid := pid_in(folder)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def pid_in(folder: Path) -> int:
    """The service's, once it is ready; 0 before."""
    if not (folder / LOG).exists():
        return 0
    lines = [line for line in (folder / LOG).read_text().splitlines() if line.startswith("{")]
    return next((fact["pid"] for fact in map(json.loads, lines) if fact["event"] == "ready"), 0)


def gone(pid: int) -> bool:
    """Whether there is no such process, or only what its parent has not asked after."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_during_the_show_stops_the_service(number: signal.Signals, folder: Path) -> None:
    """Both end, the service in its own good order."""
    with demo(folder) as process:
        pid = until(lambda: pid_in(folder), "the service is ready")
        process.send_signal(number)
        told, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 128 + number
    assert gone(pid)
    assert '"stopped"' in (folder / LOG).read_text()
    assert "Traceback" not in told


@pytest.mark.slow
def test_second_signal_ends_it_at_once(folder: Path) -> None:
    """Also when the service does not answer: this one stands still."""
    with demo(folder) as process:
        pid = until(lambda: pid_in(folder), "the service is ready")
        os.kill(pid, signal.SIGSTOP)
        # A thread that still runs would take the signal that is to wait.
        until(lambda: stands_still(pid), "the service stands still")
        process.send_signal(signal.SIGINT)
        # It has been asked by the first: SIGTERM waits for it now.
        until(lambda: pending(pid, signal.SIGTERM), "the service was asked to end")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=10)

    assert process.returncode == 128 + signal.SIGINT
    until(lambda: gone(pid), "the service is gone")
    assert "Traceback" not in told


def stands_still(pid: int) -> bool:
    """Whether every thread of a process has stopped."""
    stats = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return bool(stats) and all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def pending(pid: int, number: signal.Signals) -> bool:
    """Whether a signal waits for a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    masks = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)", status, re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


@pytest.mark.slow
def test_hints_work_from_any_folder(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What it prints to be typed is run somewhere else; then Ctrl-C ends the whole with 0."""
    with demo(folder) as process:
        assert process.stdout is not None
        told = ""
        while "The pages are at" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        hints = [line.strip() for line in told.splitlines() if line.strip().startswith("cd ")]
        elsewhere = tmp_path_factory.mktemp("elsewhere")
        assert len(hints) == 3
        assert all(re.search(rf"{one.name} +{one.role} ", told) for one in PEOPLE)
        assert PASSWORD in told
        assert all(shlex.quote(str(folder / "var/demo")) in hint for hint in hints)
        answers = []
        for hint in hints:
            hint = hint.replace(" --watch", " --json")
            done = subprocess.run(["sh", "-c", hint], cwd=elsewhere, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            answers.append(done.stdout)
        # The eight of the first act; the second brings more.
        assert json.loads(answers[0])["health"]["total"] >= 8
        assert "demo-bounce" in answers[1]
        assert "show-failover  sms to +1******2671  sent" in answers[2]
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.slow
def test_terminal_shows_the_queues_beside_the_jobs(folder: Path) -> None:
    """Backlog, in flight and dead letters, as they change."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "50"}
    with subprocess.Popen(
        (*COMMAND, "--end"), cwd=folder, env=environ, stdout=theirs, stderr=theirs, stdin=theirs
    ) as process:
        os.close(theirs)
        told = b""
        with suppress(OSError):
            while block := os.read(ours, 65_536):
                told += block
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", told.decode())

    assert process.returncode == 0, text
    panels = [line for line in text.splitlines() if "─ Queues ─" in line]
    assert panels
    assert all("job" in line and "what happened" in line for line in panels)
    backlogs = {int(found) for found in re.findall(r"│ message-delivery +(\d+)", text)}
    assert len(backlogs) > 1
    assert {"dead letters: 0", "dead letters: 1"} <= set(re.findall(r"dead letters: \d", text))
    # What became of each message is there to be seen by command line too.
    with chdir(folder / "var/demo"):
        shown = {scene.id: answer("message", "show", scene.id)["status"] for scene in SCENES}
    assert shown == {scene.id: scene.ends for scene in SCENES}


@pytest.mark.parametrize("name", ["aiosmtpd", "uvicorn", "litestar"])
def test_missing_package_names_the_command_that_installs_it(
    name: str, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Before anything is started, and in the usual line."""
    monkeypatch.setitem(sys.modules, name, None)

    errors = postroom("demo", "--end", code=1).stderr

    assert errors == f'error: demo needs {name}, which is not installed: pip install "postroom[demo]"\n'
    assert not (folder / "var").exists()
