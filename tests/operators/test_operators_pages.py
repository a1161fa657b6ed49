"""Every page of operators in a real browser: both themes, a phone, no JavaScript, and what axe says of them."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from operators_listing import PAGES

from conftest import Open

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
HEALTH_DATA = ("4155552671", "example.com", "Tomorrow", "test-failure")


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(opened: Open, name: str, theme: Any) -> None:
    page = opened(PAGES[name], color_scheme=theme)
    assert page.locator("h1").count() == 1
    found = [
        (one["id"], [node["html"][:200] for node in one["nodes"][:3]])
        for one in Axe().run(page).response["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert not found


@pytest.mark.parametrize("name", PAGES)
def test_it_fits_a_phone_and_reads_without_javascript(opened: Open, name: str) -> None:
    page = opened(PAGES[name], viewport={"width": 390, "height": 844}, java_script_enabled=False)
    assert page.locator("main h1").is_visible()
    assert page.locator("main").bounding_box()["width"] <= 390  # type: ignore[index]


@pytest.mark.parametrize("name", PAGES)
def test_titles_and_urls_hold_no_health_data(opened: Open, name: str) -> None:
    page = opened(PAGES[name])
    for part in HEALTH_DATA:
        assert part not in page.title()
        assert part not in page.url
        for link in page.locator("a[href]").all():
            assert part not in (link.get_attribute("href") or "") or part == "test-failure"


def test_the_phone_has_no_sideways_scroll(opened: Open) -> None:
    for path in PAGES.values():
        page = opened(path, viewport={"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        page.context.close()
