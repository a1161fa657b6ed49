"""Signing in and out by the form, what happens when it is wrong, and refusals by role."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from stage import PASSWORD, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
OpenPage = Callable[..., Page]


def test_sign_in_leads_to_where_one_begins_and_out_again(open_page: OpenPage) -> None:
    """By name and password; signing out ends it."""
    page = open_page("/app/sign-in")
    page.get_by_label("Name").fill("ben")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Inbox")
    page.get_by_role("button", name="Sign out").click()

    expect(page.locator("h1")).to_have_text("Sign in")


def test_wrong_password_is_told_and_audited(open_page: OpenPage, stage: Stage) -> None:
    """Nobody learns whether the name exists."""
    page = open_page("/app/sign-in")
    page.get_by_label("Name").fill("ben")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("Name or password are wrong")
    expect(page.get_by_label("Name")).to_have_value("ben")

    def refused() -> bool:
        found = stage.must("GET", "/api/audit?action=access.refused&limit=100")["entries"]
        return any(one["objectId"] == "/app/sign-in" for one in found)

    page.wait_for_timeout(0)
    for _ in range(100):
        if refused():
            break
        page.wait_for_timeout(100)
    assert refused()


@pytest.mark.parametrize("person", ["anna", "omar", "otto"])
def test_page_of_another_role_says_which_permission_is_missing(open_page: OpenPage, person: str) -> None:
    """And who has it; the menu does not offer it."""
    page = open_page("/app/reviews", person)

    expect(page.locator("[data-refusal]")).to_contain_text("review")
    expect(page.locator("[data-refusal]")).to_contain_text("doctor")
    assert page.get_by_role("link", name="Inbox").count() == 0


def test_contents_of_others_are_not_for_staff(open_page: OpenPage, stage: Stage) -> None:
    """Not by guessing the address either; the attempt is on record."""
    stage.submitted("others-1", by="ben", content="For few eyes.")
    page = open_page("/app/messages/others-1/content", "anna")

    expect(page.locator("h1")).to_have_text("Not allowed")
    assert "For few eyes" not in page.content()


def test_theme_is_chosen_and_stays(open_page: OpenPage) -> None:
    """Over the system's own, on the next page too; by a form where there is no script."""
    for scripted in (True, False):
        page = open_page("/app/account", "anna", java_script_enabled=scripted, color_scheme="light")
        page.get_by_role("button", name="Dark").click()
        page.goto("/app/mine")
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")
