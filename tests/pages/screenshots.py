"""`make screenshots`: every listed page in both themes, and some as a phone shows them, into docs/pages/."""

import base64
import tempfile
from pathlib import Path
from typing import Final

from listing import PAGES, Listed
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from stage import ROOT, Stage, a_service, enter, launch, populate

FOLDER: Final = ROOT / "docs" / "pages"
WIDE: Final = (1280, 800)
PHONE: Final = (390, 844)
HEIGHT_MAX: Final = 1_500
QUALITY: Final = 82
ON_A_PHONE: Final = ("sign-in", "my-messages", "compose", "inbox", "review", "overview")
THEMES: Final = ("light", "dark")


def main() -> None:
    """Take them all; what is no longer listed goes."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    with (
        tempfile.TemporaryDirectory() as folder,
        a_service(Path(folder)) as stage,
        sync_playwright() as playwright,
    ):
        populate(stage)
        browser = launch(playwright)
        for listed in PAGES:
            for theme in THEMES:
                take(browser, stage, listed, theme, WIDE, f"{listed.name}-{theme}.webp")
            if listed.name in ON_A_PHONE:
                take(browser, stage, listed, "light", PHONE, f"{listed.name}-phone.webp")
        browser.close()
    (FOLDER / "README.md").write_text(index(), encoding="utf-8")


def take(
    browser: Browser, stage: Stage, listed: Listed, theme: str, size: tuple[int, int], name: str
) -> None:
    """One picture, as high as the page, within a limit."""
    width, height = size
    context: BrowserContext = browser.new_context(
        base_url=stage.url, viewport={"width": width, "height": height}, color_scheme=theme,  # type: ignore[arg-type]
        timezone_id="Europe/Berlin", locale="en-GB", has_touch=size is PHONE,
    )  # fmt: skip
    enter(context, stage, listed.person)
    page = context.new_page()
    page.goto(listed.path, wait_until="load")
    page.evaluate("document.fonts.ready")
    whole = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": max(height, min(whole, HEIGHT_MAX))})
    page.wait_for_timeout(400)
    (FOLDER / name).write_bytes(picture(page))
    context.close()


def picture(page: Page) -> bytes:
    """As WebP, which Playwright itself does not offer."""
    session = page.context.new_cdp_session(page)
    answer = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    return base64.b64decode(answer["data"])


def index() -> str:
    """The page of the docs that shows them."""
    lines = [
        "# The pages",
        "",
        "`make screenshots` takes these pictures, with the data of `tests/pages/stage.py`.",
        "",
    ]
    for listed in PAGES:
        who = f", as {listed.person}" if listed.person else ""
        lines += [
            f"## {listed.name.replace('-', ' ').capitalize()}",
            "",
            f"`{listed.path.partition('?')[0]}`{who}",
            "",
        ]
        shown = [*THEMES, *(["phone"] if listed.name in ON_A_PHONE else [])]
        lines += [" ".join(f'<img src="{listed.name}-{one}.webp" alt="{listed.name}, {one}" width="{220 if one == "phone" else 420}">'
                           for one in shown), ""]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    main()
