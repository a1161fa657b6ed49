"""Staff: from composing to delivered, what is wrong told on the form, and states that change by themselves."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
OpenPage = Callable[..., Page]


def id_of(page: Page) -> str:
    page.wait_for_url("**/app/messages/*")
    return page.url.rsplit("/", 1)[-1]


def test_message_is_composed_reviewed_and_delivered(open_page: OpenPage, stage: Stage) -> None:
    """Anna writes, Ben approves, the provider reports, and Anna's page shows it without being loaded again."""
    anna = open_page("/app/compose", "anna")
    anna.get_by_label("Email address").fill("story@example.com")
    anna.get_by_label("Subject").fill("Tomorrow")
    anna.get_by_label("Text", exact=True).fill("See you tomorrow.")
    expect(anna.locator("#preview .letter-body")).to_have_text("See you tomorrow.")
    anna.get_by_role("button", name="Submit for review").click()
    message = id_of(anna)
    expect(anna.locator("aside .chip")).to_have_text("pending review")

    ben = open_page(f"/app/reviews/{message}", "ben")
    ben.get_by_role("link", name="Open").click()
    expect(ben.locator(".letter-body")).to_have_text("See you tomorrow.")
    ben.get_by_role("button", name="Approve").click()
    expect(ben.locator(".flash")).to_contain_text(f"{message} is approved")

    expect(anna.locator("aside .chip")).to_have_text("sent")
    stage.must("POST", "/debug/webhook-test", {"messageId": message, "status": "delivered"})
    expect(anna.locator("aside .chip")).to_have_text("delivered")


def test_template_is_filled_in_and_previewed(open_page: OpenPage) -> None:
    """The fields are the template's, and the preview is what it makes of them."""
    page = open_page("/app/compose", "anna")
    page.get_by_label("Template").select_option("appointment-reminder")
    page.get_by_label("Email address").fill("story@example.com")
    for name, value in (("name", "Mr Kern"), ("day", "2026-12-03"), ("hour", "10:15")):
        page.locator(f"[name='var.{name}']").fill(value)

    expect(page.locator("#preview")).to_contain_text("Your appointment on 2026-12-03")
    expect(page.locator("#preview")).to_contain_text("Dear Mr Kern")


def test_text_message_shows_what_it_costs(open_page: OpenPage) -> None:
    """Parts and encoding, as they would be sent."""
    page = open_page("/app/compose?channel=sms", "anna")
    page.get_by_label("Text", exact=True).fill("x" * 161)
    expect(page.locator("#preview")).to_contain_text("2 text messages")
    expect(page.locator("#preview")).to_contain_text("GSM-7")
    page.get_by_label("Text", exact=True).fill("😀")

    expect(page.locator("#preview")).to_contain_text("UCS-2")


def test_what_is_wrong_is_told_beside_its_field(open_page: OpenPage) -> None:
    """Nothing that was typed is lost, and nothing of it is in the URL."""
    page = open_page("/app/compose", "anna")
    page.get_by_label("Email address").fill("nobody at all")
    page.get_by_label("Subject").fill("Kept")
    page.get_by_label("Text", exact=True).fill("Kept too")
    page.get_by_role("button", name="Keep as a draft").click()

    expect(page.locator(".problems")).to_contain_text("The recipient")
    expect(page.locator("#f-recipient")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Text", exact=True)).to_have_value("Kept too")
    assert page.url.endswith("/app/compose")


def test_message_is_composed_without_javascript(open_page: OpenPage, stage: Stage) -> None:
    """Channel, preview and submitting are buttons of the form."""
    page = open_page("/app/compose", "anna", java_script_enabled=False)
    page.get_by_label("Text message").check()
    page.get_by_role("button", name="Use this channel").click()
    page.get_by_label("Telephone number").fill("+491512345678")
    page.get_by_label("Text", exact=True).fill("Without a script.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator(".bubble")).to_have_text("Without a script.")
    page.get_by_role("button", name="Submit for review").click()

    assert stage.status(id_of(page)) == "pending_review"


def test_draft_is_edited_called_off_and_stays_on_record(open_page: OpenPage, stage: Stage) -> None:
    """The earlier text is shown as a difference; calling off asks first."""
    stage.draft("story-edit")
    page = open_page("/app/messages/story-edit/edit", "anna")
    page.get_by_label("Text", exact=True).fill("Something else.")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Open").click()
    expect(page.locator(".diff")).to_contain_text("Something else.")
    page.locator("summary", has_text="Call off").click()
    page.get_by_role("dialog").get_by_role("button", name="Call it off").click()

    expect(page.locator("aside .chip")).to_have_text("cancelled")
    assert stage.status("story-edit") == "cancelled"


def test_what_became_of_a_doubtful_message_is_said_by_who_knows(open_page: OpenPage, stage: Stage) -> None:
    """The server's answer was lost; Ben has asked, and puts it on record without sending anything."""
    stage.submitted("story-doubt", recipient="lost@example.com", policy="at_most_once")
    stage.must("POST", "/api/messages/story-doubt/approve", {}, "ben")
    stage.wait("story-doubt", "uncertain")
    page = open_page("/app/messages/story-doubt", "ben")
    page.locator("summary", has_text="Say what became of it").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("arrived", exact=True).click()
    dialog.get_by_role("button", name="Put it on record").click()

    expect(page.locator("aside .chip")).to_have_text("delivered")
