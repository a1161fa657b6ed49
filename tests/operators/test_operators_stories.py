"""What operators and admins do, in a real browser from the first click to the effect."""

import hashlib
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from conftest import Open, Service

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
QUEUE = "/app/queues/message-delivery"


def test_dead_letter_to_redrive(opened: Open, service: Service) -> None:
    """From the group, counted first, begun, followed to its end; the trail tells who did it."""
    service.bury("redriven", 4)
    before = service.backlog("dlq")
    page = opened("/app/dead-letters", person="olga")
    page.get_by_role("link", name="the content asks for a failure").first.click()
    page.get_by_role("link", name="Redrive these").click()
    page.get_by_role("button", name="Count them").click()
    expect(page.get_by_role("status").filter(has_text="match")).to_contain_text(
        f"{before} dead letters match"
    )
    assert service.backlog("dlq") == before, "counting moves nothing"
    page.get_by_role("button", name="Begin").click()
    expect(page.locator("#run .chip")).to_have_text("done")
    expect(page.get_by_role("status").filter(has_text="moved")).to_contain_text(f"{before} of {before} moved")
    entries = service("GET", "/api/audit?action=queue.redrive")["entries"]
    assert entries[0]["actor"] == "olga"
    service.until(lambda: service.backlog("dlq") >= before, "they fail again, for the cause is not gone")


def test_a_redrive_is_stopped_and_resumed(opened: Open, service: Service) -> None:
    """At a rate of one a second there is time to change one's mind."""
    service.bury("slow", 6)
    page = opened("/app/redrives/new")
    page.get_by_label("At most, messages a second").fill("1")
    page.get_by_label("Reason or code contains").fill("asks for a failure")
    page.get_by_role("button", name="Count them").click()
    page.get_by_role("button", name="Begin").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#run .chip")).to_have_text("stopped")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#run .chip")).to_have_text("running")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#run .chip")).to_have_text("stopped")


def test_pause_to_resume(opened: Open, service: Service) -> None:
    """With a reason and an end, seen by everybody, until it is resumed."""
    page = opened(QUEUE, person="olga")
    page.locator("summary", has_text="Pause").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("the provider is down")
    dialog.get_by_label("Ends by itself after").select_option("3600")
    page.get_by_role("button", name="Pause delivery").click()
    expect(page.get_by_text("Delivery of message-delivery is paused")).to_be_visible()
    hold = service("GET", "/api/queues/message-delivery")["hold"]
    assert (hold["kind"], hold["by"], hold["reason"]) == ("pause", "olga", "the provider is down")
    assert hold["until"] is not None
    service.text("waits")
    other = opened("/app/overview", person="aud")
    expect(other.get_by_text("the provider is down").first).to_be_visible()
    expect(other.get_by_text(re.compile("Paused by olga.*1 message waits"))).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    service.until(lambda: service.backlog("message-delivery") == 0, "what waited is delivered")


def test_drain_refuses_producers(opened: Open, service: Service) -> None:
    """With a problem that says so, until it is resumed."""
    page = opened(QUEUE)
    page.locator("summary", has_text="Drain").click()
    page.get_by_role("button", name="Take nothing new").click()
    expect(page.get_by_text("takes nothing new. Delivery goes on")).to_be_visible()
    refused = page.request.post(
        "/api/enqueue-job",
        data={"type": "sms_send", "messageId": "n", "recipient": "+14155552671", "content": "x"},
    )
    assert (refused.status, refused.json()["type"]) == (503, "urn:postroom:problem:queue-draining")
    assert refused.headers["retry-after"]
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_text("delivers and takes again")).to_be_visible()
    service.text("n")


def test_purge_asks_for_the_name(opened: Open, service: Service) -> None:
    """The button waits for the right word, and so does the server."""
    service("POST", "/api/queues/message-delivery/pause", {})
    try:
        service.text("purged")
        page = opened(QUEUE)
        page.locator("summary", has_text="Purge").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("textbox").fill("message")
        expect(dialog.get_by_role("button", name="Delete for good")).to_have_attribute(
            "aria-disabled", "true"
        )
        refused = page.request.post("/api/queues/message-delivery/purge", data={"confirm": "message"})
        assert refused.status == 422
        assert service.backlog("message-delivery") >= 1
        dialog.get_by_role("textbox").fill("message-delivery")
        dialog.get_by_role("button", name="Delete for good").click()
        expect(page.get_by_text(re.compile(r"messages were deleted"))).to_be_visible()
        assert service.backlog("message-delivery") == 0
    finally:
        service("POST", "/api/queues/message-delivery/resume")


def test_export_to_download(opened: Open, service: Service, tmp_path: Path) -> None:
    """Asked for, followed, fetched; the file is what its record says."""
    page = opened("/app/exports", person="olga", accept_downloads=True)
    page.get_by_label("What").select_option("messages")
    page.get_by_label("Email me when it is ready").uncheck()
    page.get_by_role("button", name="Ask for it").click()
    expect(page.locator("#export .chip")).to_have_text("done")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download").click()
    file = tmp_path / "export.csv"
    waiting.value.save_as(file)
    record = service("GET", f"/api/exports/{page.url.rsplit('/', 1)[1]}")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == record["sha256"]
    assert "4155552671" not in file.read_text()


def test_role_refusals(opened: Open, service: Service) -> None:
    """Who may not see is told what is missing and who has it; who may only see has no buttons, and is refused without them."""
    page = opened("/app/queues", person="stan", status=403)
    expect(page.get_by_text("see_status")).to_be_visible()
    expect(page.get_by_role("link", name="Overview")).to_have_count(0)
    page = opened(QUEUE, person="aud")
    expect(page.locator("summary", has_text="Pause")).to_have_count(0)
    token = page.locator("input[name=_csrf]").first.get_attribute("value") or ""
    refused = page.request.post(f"{QUEUE}/pause", form={"_csrf": token}, max_redirects=0)
    assert refused.status == 403
    assert service("GET", "/api/queues/message-delivery")["hold"] is None
    page = opened("/app/people", person="olga", status=403)
    expect(page.get_by_text("manage_users")).to_be_visible()


def test_bodies_are_shown_to_who_may_and_it_is_on_record(opened: Open, service: Service) -> None:
    """Others see their shape."""
    service.bury("peeked", 1)
    page = opened("/app/queues/dlq/peek", person="olga")
    expect(page.get_by_text("recipient").first).to_be_visible()
    assert "4155552671" not in page.content()
    expect(page.locator("summary", has_text="Show bodies")).to_have_count(0)
    page = opened("/app/queues/dlq/peek", person="adam")
    assert "4155552671" not in page.content()
    page.locator("summary", has_text="Show bodies").click()
    page.get_by_role("button", name="Show them").click()
    expect(page.get_by_text("+14155552671").first).to_be_visible()
    assert service("GET", "/api/audit?action=queue.revealed")["entries"][0]["actor"] == "adam"


def test_a_token_is_shown_once(opened: Open) -> None:
    """On the page after it is made, and never again."""
    page = opened("/app/tokens", person="adam")
    page.get_by_label("Label").fill("the shop")
    page.get_by_role("button", name="Make it").click()
    secret = page.locator("pre.secret").inner_text()
    assert secret.startswith("pr_") or len(secret) > 30
    page.goto("/app/tokens")
    expect(page.get_by_role("cell", name="the shop")).to_be_visible()
    assert secret not in page.content()


def test_the_chain_is_verified(opened: Open) -> None:
    """Every entry, now."""
    page = opened("/app/audit", person="aud")
    page.get_by_role("button", name="Verify the chain").click()
    expect(page.get_by_text("The chain is whole")).to_be_visible()


def test_a_schedule_is_run_now(opened: Open, service: Service) -> None:
    """Its jobs are enqueued; its next run stays."""
    page = opened("/app/schedules", person="olga")
    page.locator("summary", has_text="Run now").first.click()
    page.get_by_role("button", name="Run it").click()
    expect(page.get_by_text("Enqueued:")).to_be_visible()


def test_what_one_reads_does_not_move(opened: Open, service: Service) -> None:
    """A part in which something is open is not replaced, however much happens; it is when it is closed again."""
    page = opened("/app/overview")
    expect(page.locator("[data-live]")).to_have_text("Live")
    table = page.locator(".chart details").first
    table.locator("summary").click()
    mark = page.locator("[sse-swap=curves]").evaluate(
        "part => { part.firstElementChild.dataset.mark = 'mine'; return 1 }"
    )
    assert mark == 1
    service.text("moves")
    page.wait_for_timeout(12_000)
    assert page.locator("[data-mark=mine]").count() == 1
    assert table.evaluate("one => one.open")


def test_pausing_works_without_javascript(opened: Open, service: Service) -> None:
    """A disclosure instead of a dialog."""
    page: Page = opened("/app/queues/delivery-events", java_script_enabled=False)
    page.locator("summary", has_text="Pause").click()
    page.get_by_role("button", name="Pause delivery").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    assert service("GET", "/api/queues/delivery-events")["hold"] is None


def test_by_keyboard(opened: Open) -> None:
    """A slash goes to the search, p peeks; Escape closes a dialog and gives the focus back."""
    page = opened("/app/jobs")
    page.keyboard.press("/")
    page.keyboard.type("first-0")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Text message")
    page.goto(QUEUE)
    summary = page.locator("summary", has_text="Purge")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(summary).to_be_focused()
