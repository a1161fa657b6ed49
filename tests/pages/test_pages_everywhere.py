"""What holds for every page: axe finds nothing serious in either theme, a phone shows it, and it reads without JavaScript."""

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from listing import PAGES, Listed
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SERIOUS = ("serious", "critical")
OpenPage = Callable[..., Page]


def findings(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']} ({one['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


@pytest.mark.parametrize("listed", PAGES, ids=lambda one: one.name)
def test_page_is_accessible_in_both_themes_and_on_a_phone(open_page: OpenPage, listed: Listed) -> None:
    """axe's serious and critical rules; and nothing is wider than the screen."""
    page = open_page(listed.path, listed.person)
    expect(page.locator("h1")).to_have_count(1)
    for summary in page.locator("details.more > summary").all():
        summary.click()

    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        assert findings(page) == [], theme
    page.set_viewport_size({"width": 390, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, f"{wide} pixels too wide"


@pytest.mark.parametrize("listed", PAGES, ids=lambda one: one.name)
def test_page_reads_without_javascript(open_page: OpenPage, listed: Listed) -> None:
    """Everything that is shown comes from the server, and nothing says that it is still loading."""
    page = open_page(listed.path, listed.person, java_script_enabled=False)

    expect(page.locator("h1")).to_be_visible()
    assert "Loading" not in page.locator("body").inner_text()
