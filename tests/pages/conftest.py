"""One service and one browser for each process of tests; every test has a context of its own in it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from stage import PATIENCE_SECONDS, Stage, a_service, enter, launch, populate

expect.set_options(timeout=PATIENCE_SECONDS * 1000 / 2)


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with a_service(tmp_path_factory.mktemp("service")) as running:
        populate(running)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of a module, not of the whole run: while it is open a loop runs in this thread, which asynchronous tests need."""
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: Browser, stage: Stage) -> Iterator[Callable[..., Page]]:
    """Opens a page in somebody's name; what the page's scripts or the policy complain of fails the test."""
    contexts = []
    complaints: list[str] = []

    def opener(path: str, person: str | None = None, **options: Any) -> Page:
        given = {
            "viewport": {"width": 1280, "height": 900},
            "timezone_id": "Europe/Berlin",
            "locale": "en-GB",
        }
        context = browser.new_context(base_url=stage.url, **{**given, **options})
        context.set_default_timeout(PATIENCE_SECONDS * 1000 / 2)
        contexts.append(context)
        enter(context, stage, person)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None
        )
        page.goto(path)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert not complaints
