"""A running service with people and messages in it, and a browser to look at it; for tests and for screenshots."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, BrowserContext, Playwright

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
PEOPLE = {
    "anna": "staff",
    "ben": "reviewer",
    "dora": "doctor",
    "omar": "operator",
    "ada": "admin",
    "otto": "auditor",
}
PATIENCE_SECONDS = 60.0
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
LETTER = "Dear patient,\n\nyour appointment is tomorrow at 2 pm.\nPlease bring your card.\n\nYour practice"
REMINDER = {
    "templateId": "appointment-reminder", "channel": "email", "subject": "Your appointment on {{day}}",
    "content": "Dear {{name}},\n\nyour appointment is on {{day}} at {{hour}}.\n\nYour practice",
    "html": "<p>Dear <b>{{name}}</b>,</p><p>your appointment is on {{day}} at {{hour}}.</p><p>Your practice</p>",
    "variables": [
        {"name": "name", "sample": "Anna Bauer"}, {"name": "day", "type": "date", "sample": "2026-12-01"},
        {"name": "hour", "sample": "9:30"},
    ],
}  # fmt: skip
VALUES = {"name": "Anna Bauer", "day": "2026-12-01", "hour": "9:30"}


class Stage:
    """The service's URL, and its API in anybody's name."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, by: str | None = None) -> httpx.Response:
        """One request to the API."""
        headers = {"if-match": "*", **({"x-postroom-act-as": by} if by else {})}
        return self._client.request(method, path, json=body, headers=headers)

    def must(self, method: str, path: str, body: Any = None, by: str | None = None) -> dict[str, Any]:
        """The same; it has to succeed."""
        answer = self.ask(method, path, body, by)
        assert answer.is_success, (method, path, answer.text)
        return answer.json() if answer.content else {}

    def draft(self, id_: str, by: str = "anna", **values: Any) -> None:
        """A message in a draft's state."""
        given = {
            "channel": "email",
            "recipient": f"{id_}@example.com",
            "subject": "Your appointment",
            "content": LETTER,
        }
        if "template" in values:
            given = {"channel": "email", "recipient": f"{id_}@example.com"}
        self.must("POST", "/api/messages", {"messageId": id_, **given, **values}, by)

    def submitted(self, id_: str, by: str = "anna", **values: Any) -> None:
        """A message that waits for a reviewer."""
        self.draft(id_, by, **values)
        self.must("POST", f"/api/messages/{id_}/submit", by=by)

    def status(self, id_: str) -> str:
        """Where a message is."""
        return str(self.must("GET", f"/api/messages/{id_}")["status"])

    def wait(self, id_: str, *wanted: str) -> str:
        """Until it is there."""
        return self._until(lambda: self.status(id_), wanted)

    def _until(self, look: Any, wanted: tuple[str, ...]) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := look()) not in wanted:
            assert time.monotonic() < deadline, f"it is {found}, not {wanted}"
            time.sleep(0.1)
        return str(found)


@contextlib.contextmanager
def a_service(folder: Path) -> Iterator[Stage]:
    """A service of its own, in a process of its own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")}
    environment = {**inherited, "POSTROOM_ENVIRONMENT": "local", "POSTROOM_DELAY_NORMAL_SECONDS": "0"}
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "postroom", "up", "--port", str(port)],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
    stage = Stage(f"http://localhost:{port}")
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            with contextlib.suppress(httpx.TransportError):
                if stage.ask("GET", "/ready").status_code == 200:
                    break
            assert process.poll() is None, (folder / "service.log").read_text()
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.1)
        yield stage
    finally:
        stage.close()
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def populate(stage: Stage) -> None:
    """People of each role, templates, and a message in each state that the pages show."""
    for name, role in PEOPLE.items():
        stage.must("POST", "/api/users", {"name": name, "roles": [role], "password": PASSWORD})
    stage.must("POST", "/api/templates", REMINDER, "ben")
    stage.submitted("shown-edited")
    changed = LETTER.replace("2 pm", "3 pm").replace("your card", "your insurance card")
    stage.must("PATCH", "/api/messages/shown-edited", {"content": changed}, "ben")
    stage.submitted("shown-rejected")
    stage.must("POST", "/api/messages/shown-rejected/reject", {"note": "Please name the room."}, "ben")
    for number in range(3):
        stage.submitted(f"shown-reminder-{number}", template="appointment-reminder", variables=VALUES)
    text = "See you tomorrow at 2 pm 😀. Please call us if you cannot come: 030 1234567"
    stage.submitted("shown-text", channel="sms", recipient="+491512345678", subject=None, content=text)
    stage.submitted("shown-sent")
    stage.must("POST", "/api/messages/shown-sent/approve", {"note": "fine"}, "ben")
    stage.draft("shown-draft")


def browser_path() -> str:
    """Where Chromium is; installs it, or fails with what is missing."""
    found = subprocess.run([str(ROOT / "tools" / "browser")], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr.strip()
    return found.stdout.strip()


def launch(playwright: Playwright) -> Browser:
    """Chromium without a screen."""
    return playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)


def enter(context: BrowserContext, stage: Stage, person: str | None) -> None:
    """Take somebody's part."""
    if person is not None:
        answer = context.request.post(
            f"{stage.url}/app/act-as", form={"name": person}, headers={"origin": stage.url}, max_redirects=0
        )
        assert answer.status == 303, answer.text()
