"""A service of its own in the local environment, filled with work of every kind, and a browser that looks at it."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

PATIENCE_SECONDS = 60.0
PEOPLE = {"olga": "operator", "aud": "auditor", "stan": "staff", "adam": "admin"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class Service:
    """The running service, asked over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def until(self, look: Callable[[], Any], what: str) -> Any:
        """Look until there is something."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if found := look():
                return found
            time.sleep(0.05)
        raise AssertionError(f"not within {PATIENCE_SECONDS:g} s: {what}")

    def backlog(self, queue: str) -> int:
        return int(self("GET", f"/api/queues/{queue}")["backlogCount"])

    def text(self, id_: str, content: str = "Tomorrow at 2 pm.") -> str:
        body = {"type": "sms_send", "messageId": id_, "recipient": "+14155552671", "content": content}
        return str(self("POST", "/api/enqueue-job", body)["jobId"])

    def bury(self, mark: str, count: int) -> list[str]:
        """Let so many jobs fail for good."""
        before = self.backlog("dlq")
        ids = [self.text(f"{mark}-{number}", "test-failure") for number in range(count)]
        self.until(lambda: self.backlog("dlq") >= before + count, "dead letters")
        return ids


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("operators")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("POSTROOM_")},
        "POSTROOM_DATABASE_URL": f"sqlite:///{folder / 'postroom.db'}", "POSTROOM_PORT": "0",
        "POSTROOM_EXPORTS_DIR": str(folder / "exports"), "POSTROOM_ARCHIVE_DIR": str(folder / "archive"),
        "POSTROOM_MAILBOX_DIR": str(folder / "mail"), "POSTROOM_WEBHOOKS": f"delivery={'s' * 32}",
    }  # fmt: skip
    log = folder / "log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "postroom", "up", "--port", "0"],
            cwd=folder,
            env=environ,
            stderr=file,
            stdout=file,
        )
    try:
        yield _filled(Service(_url(process, log)))
    finally:
        process.terminate()
        process.wait(30)


def _url(process: "subprocess.Popen[bytes]", log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if '"event": "ready"' in line:
                return str(json.loads(line)["url"]).replace("127.0.0.1", "localhost")
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def _filled(service: Service) -> Service:
    for name, role in PEOPLE.items():
        service("POST", "/api/users", {"name": name, "roles": [role]})
    for number in range(5):
        service.text(f"sms-{number}")
    for number in range(5):
        email = {"type": "email_send", "messageId": f"mail-{number}", "recipient": f"p{number}@example.com"}
        service("POST", "/api/enqueue-job", {**email, "subject": "Appointment", "content": "Tomorrow."})
    service("POST", "/api/suppressions", {"recipient": "stop@example.com", "reason": "asked on the phone"})
    service("POST", "/api/webhooks", {"url": f"{service.url}/health", "states": ["delivered"]})
    service("POST", "/debug/webhook-test", {"messageId": "mail-0"})
    service.bury("first", 3)
    return service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module, not of the whole run: while it is open a loop runs in this thread, which asynchronous tests need."""
    found = next((path for one in BROWSERS if (path := shutil.which(one))), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield made
        made.close()


Open = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, service: Service) -> Iterator[Open]:
    """Opens pages as somebody, by default as who sits at the machine; errors in the console fail the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def open_it(path: str, *, person: str | None = None, status: int = 200, **options: Any) -> Page:
        context = browser.new_context(base_url=service.url, **options)
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        contexts.append(context)
        page = context.new_page()
        if status == 200:
            page.on(
                "console", lambda message: errors.append(message.text) if message.type == "error" else None
            )
        page.on("pageerror", lambda error: errors.append(str(error)))
        if person is not None:
            page.goto("/app/sign-in")
            page.locator(f"button[name=name][value={person}]").click()
        answer = page.goto(path, wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == status, (path, answer.status)
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert not errors
