"""What the documents show is run: README's program, the examples, the guides' tests."""

import asyncio
import hmac
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from postroom.accounts import MATRIX, Permission, Role
from postroom.delivery.providers import PROVIDERS
from postroom.delivery.testing import SendGridDouble
from postroom.kit.clock import SystemClock
from postroom.settings import WEBHOOKS, load
from postroom.wiring.providers import make_routes
from postroom.wiring.webhooks import make_receivers

KEY = SendGridDouble().public_key
SECRET = "whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
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
        "any_broker.py",
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


def section_of(page: str, heading: str) -> str:
    found = re.search(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", (ROOT / "docs/guides" / page).read_text(), re.M | re.S
    )
    assert found is not None, heading
    return found[1]


@pytest.mark.parametrize(("scheme", "heading"), [
    ("smtp", "SMTP"), ("sendgrid", "SendGrid"), ("resend", "Resend"), ("ses", "Amazon SES"), ("twilio", "Twilio"),
    ("vonage", "Vonage"), ("noop", "noop"),
])  # fmt: skip
def test_every_provider_has_a_section_with_settings_that_work(scheme: str, heading: str) -> None:
    """The settings that it shows are read as they stand."""
    assert {"smtps", scheme} <= {*PROVIDERS}
    shown = section_of("providers.md", heading)
    for block in re.findall(r"^```text\n(.*?)^```", shown, re.M | re.S):
        lines = [line.partition("  #")[0] for line in block.splitlines() if re.match(r"[A-Z_]+=", line)]
        environ = {
            name: value.strip().strip('"').replace("MFkwEwYHKoZI...", KEY).replace("whsec_...", SECRET)
            for name, _, value in (line.partition("=") for line in lines)
        }
        settings = load({"POSTROOM_PUBLIC_URL": "https://p.example.org", **environ}).settings
        routes = make_routes(settings, SystemClock())
        receivers = make_receivers(settings, SystemClock(), "local")

        assert scheme in {
            route.name.removesuffix("s") if scheme == "smtp" else route.name for route in routes
        }
        assert {name for name, _ in settings.webhooks} <= set(receivers)


def test_every_provider_is_among_them() -> None:
    """A new one needs a section."""
    headings = set(re.findall(r"^## (.+)$", (ROOT / "docs/guides/providers.md").read_text(), re.M))
    assert {"SMTP", "SendGrid", "Resend", "Amazon SES", "Twilio", "Vonage", "Portal", "noop"} <= headings
    assert set(PROVIDERS) == {"smtp", "smtps", "sendgrid", "resend", "ses", "twilio", "vonage", "noop"}


def test_every_webhook_is_in_its_guide() -> None:
    """By the name that it has in the path."""
    shown = section_of("webhooks.md", "In: how a callback is taken")
    assert set(WEBHOOKS) <= set(re.findall(r"^\| `([a-z]+)` \|", shown, re.M))


def test_guide_shows_the_role_matrix() -> None:
    """Cell by cell."""
    rows = [[cell.strip(" `") for cell in line.strip("|").split("|")]
            for line in section_of("people.md", "Who may do what").splitlines() if line.startswith("|")]  # fmt: skip
    roles = rows[0][1:]
    shown = {
        (row[0], role): cell == "yes" for row in rows[2:] for role, cell in zip(roles, row[1:], strict=True)
    }

    assert shown == {(str(one), str(role)): one in MATRIX[role] for one in Permission for role in Role}


def test_signature_of_the_guide_is_accepted(tmp_path: Path) -> None:
    """What its openssl command makes is what the receiver wants."""
    (command,) = [one for one in blocks(ROOT / "docs/guides/webhooks.md", "console") if "openssl" in one]
    body = re.search(r"BODY='(.*)'", command)
    signed = re.search(r"\$\((printf .*)\)\"", command)
    assert body is not None
    assert signed is not None
    done = subprocess.run(
        ["bash", "-c", signed[1]], capture_output=True, text=True, check=True,
        env={"PATH": os.environ["PATH"], "T": "1", "BODY": body[1], "SECRET": "s"},
    )  # fmt: skip

    assert done.stdout.strip() == hmac.digest(b"s", f"1.{body[1]}".encode(), "sha256").hex()
