"""What the documents show is run: README's program, the examples, the guides' tests."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL)


def run(code: str | Path, folder: Path) -> str:
    command = [sys.executable, "-W", "error", *(["-c", code] if isinstance(code, str) else [str(code)])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_program_prints_what_it_says(tmp_path: Path) -> None:
    """The ten lines run as they stand; only the wait for Ctrl-C is cut short."""
    (program,) = blocks(ROOT / "README.md", "python")
    expected = blocks(ROOT / "README.md", "text")[0]
    assert len([line for line in program.splitlines() if line.strip()]) <= 16
    stopping = program.replace("asyncio.run(main())", "") + (
        "import os, signal, threading, time\n"
        "def stop():\n"
        "    import sqlite3\n"
        "    while True:\n"
        "        time.sleep(0.05)\n"
        "        try: left = sqlite3.connect('orders.db').execute('SELECT backlog_count FROM postroom_queues "
        'WHERE name = "orders"\').fetchone()\n'
        "        except sqlite3.Error: continue\n"
        "        if left == (0,) and time.monotonic() - begun > 1: os.kill(os.getpid(), signal.SIGTERM); return\n"
        "begun = time.monotonic()\n"
        "threading.Thread(target=stop, daemon=True).start()\n"
        "asyncio.run(main())\n"
    )

    assert run(stopping, tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first.py", "order 1, delivery 1\norder 2, delivery 1\norder 1, delivery 2\n"),
        ("own_job.py", "INV-1: 1 page(s), attempt 1\nINV-2: 3 page(s), attempt 2\n"),
        ("transaction.py", "1 order, 1 message\n"),
    ],
)
def test_example_prints_what_it_promises(name: str, expected: str, tmp_path: Path) -> None:
    """Examples are complete programs."""
    assert run(ROOT / "examples" / name, tmp_path) == expected


def test_every_example_is_tested() -> None:
    """A new example needs a row above."""
    assert {path.name for path in (ROOT / "examples").glob("*.py")} == {
        "first.py",
        "own_job.py",
        "transaction.py",
    }


def test_testing_guide_passes() -> None:
    """The guide's test is a test."""
    (code,) = blocks(ROOT / "docs" / "guides" / "testing-your-handlers.md", "python")
    names: dict[str, object] = {}
    exec(compile(code, "guide", "exec"), names)
    test = names["test_a_failed_order_comes_again_after_an_hour"]
    asyncio.run(test())  # type: ignore[operator]


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], ids=lambda path: path.name
)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    """No page points to a file that is not there."""
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
