"""Reviewers: opening is on record, sending back with a note, keys, several at once, and what may not be."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from stage import VALUES, Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
OpenPage = Callable[..., Page]


def test_message_is_closed_until_it_is_opened_which_is_on_record(open_page: OpenPage, stage: Stage) -> None:
    """Neither recipient nor content before, nor in title or URL ever."""
    stage.submitted("closed-1", recipient="hidden@example.com", content="Nobody sees this yet.")
    page = open_page("/app/reviews/closed-1", "ben")
    assert "hidden@example.com" not in page.content()
    assert "Nobody sees" not in page.content()
    page.keyboard.press("o")
    expect(page.locator(".letter")).to_contain_text("hidden@example.com")

    assert "hidden" not in page.title() + page.url
    kinds = [one["kind"] for one in stage.must("GET", "/api/messages/closed-1/events?limit=100")["events"]]
    assert kinds.count("viewed") == 1


def test_message_is_sent_back_with_a_note_by_keys_alone(open_page: OpenPage, stage: Stage) -> None:
    """r goes to the note first; with a note it sends back. Its author reads why."""
    stage.submitted("keys-1")
    page = open_page("/app/reviews/keys-1/content", "ben")
    page.keyboard.press("r")
    expect(page.locator("#f-note")).to_be_focused()
    page.keyboard.type("Please name the room.")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator(".flash")).to_contain_text("keys-1 is sent back")

    anna = open_page("/app/messages/keys-1/content", "anna")
    expect(anna.locator("aside .chip")).to_have_text("rejected")
    expect(anna.locator(".note.bad")).to_contain_text("Please name the room.")


def test_inbox_is_walked_and_approved_by_keys(open_page: OpenPage, stage: Stage) -> None:
    """j and k through the rows, Enter opens, o shows, a approves; then the next is there."""
    stage.submitted("keys-2")
    page = open_page("/app/reviews", "ben")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.locator(".row-link").first
    expect(first).to_be_focused()
    page.locator(".row-link[href$='keys-2']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/app/reviews/keys-2")
    page.keyboard.press("o")
    page.wait_for_url("**/content")
    page.keyboard.press("a")

    expect(page.locator(".flash")).to_contain_text("keys-2 is approved")
    stage.wait("keys-2", "queued", "processing", "sent")


def test_keys_do_nothing_while_one_types(open_page: OpenPage, stage: Stage) -> None:
    """A note may have an a in it."""
    stage.submitted("keys-3")
    page = open_page("/app/reviews/keys-3/content", "ben")
    page.locator("#f-note").focus()
    page.keyboard.type("a r e j")

    expect(page.locator("#f-note")).to_have_value("a r e j")
    assert stage.status("keys-3") == "pending_review"


def test_several_are_approved_at_once_where_they_say_what_a_template_says(
    open_page: OpenPage, stage: Stage
) -> None:
    """Free text and what was edited cannot be chosen; it has to be read."""
    for number in range(2):
        stage.submitted(f"bulk-{number}", template="appointment-reminder", variables=VALUES)
    stage.submitted("bulk-free")
    page = open_page("/app/reviews", "ben")
    page.locator("input[value^='bulk-0:']").check()
    page.locator("input[value^='bulk-1:']").check()
    assert page.locator("input[value^='bulk-free:']").count() == 0
    page.get_by_role("button", name="Approve the chosen").click()

    expect(page.locator(".flash")).to_have_text("2 approved.")
    stage.wait("bulk-1", "queued", "processing", "sent")
    assert stage.status("bulk-free") == "pending_review"


def test_decision_is_about_what_was_seen(open_page: OpenPage, stage: Stage) -> None:
    """Who decides on a version that somebody has changed meanwhile looks again."""
    stage.submitted("moved-1")
    page = open_page("/app/reviews/moved-1/content", "ben")
    stage.must("PATCH", "/api/messages/moved-1", {"content": "Something else."}, "anna")
    page.get_by_role("button", name="Approve").click()

    expect(page.locator(".flash")).to_contain_text("changed meanwhile")
    assert stage.status("moved-1") == "pending_review"


def test_nobody_approves_a_message_of_their_own(open_page: OpenPage, stage: Stage) -> None:
    """The button is not there, and the desk would refuse."""
    stage.submitted("own-1", by="ben")
    page = open_page("/app/reviews/own-1/content", "ben")

    expect(page.get_by_text("somebody else has to approve it")).to_be_visible()
    assert page.get_by_role("button", name="Approve").count() == 0


def test_edit_of_a_reviewer_is_shown_with_who_made_it(open_page: OpenPage) -> None:
    """Word by word, for who may read it."""
    page = open_page("/app/reviews/shown-edited/content", "dora")

    expect(page.locator(".diff del").first).to_have_text("2")
    expect(page.locator(".diff ins").first).to_have_text("3")
    expect(page.get_by_label("Edit by ben")).to_be_visible()
