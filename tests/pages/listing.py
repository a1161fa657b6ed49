"""Every page that is looked at by axe, on a phone, without JavaScript, and for the screenshots of the docs."""

from typing import NamedTuple


class Listed(NamedTuple):
    """A page, and in whose name it is opened; None: nobody's."""

    name: str
    path: str
    person: str | None = None
    status: int = 200


PAGES = (
    Listed("sign-in", "/app/sign-in"),
    Listed("account", "/app/account", "anna"),
    Listed("compose", "/app/compose?template=appointment-reminder", "anna"),
    Listed("compose-free", "/app/compose?channel=sms", "anna"),
    Listed("my-messages", "/app/mine", "anna"),
    Listed("message", "/app/messages/shown-rejected/content", "anna"),
    Listed("edit", "/app/messages/shown-draft/edit", "anna"),
    Listed("inbox", "/app/reviews", "ben"),
    Listed("review-closed", "/app/reviews/shown-edited", "ben"),
    Listed("review", "/app/reviews/shown-edited/content", "ben"),
    Listed("overview", "/app/overview"),
    Listed("queues", "/app/queues"),
    Listed("queue", "/app/queues/message-delivery"),
    Listed("peek", "/app/queues/dlq/peek"),
    Listed("jobs", "/app/jobs"),
    Listed("dead-letters", "/app/dead-letters"),
    Listed("redrive", "/app/redrives/new"),
    Listed("workers", "/app/workers"),
    Listed("schedules", "/app/schedules"),
    Listed("providers", "/app/providers"),
    Listed("webhooks", "/app/webhooks"),
    Listed("suppressions", "/app/suppressions"),
    Listed("exports", "/app/exports"),
    Listed("alerts", "/app/alerts"),
    Listed("audit", "/app/audit"),
    Listed("people", "/app/people"),
    Listed("tokens", "/app/tokens"),
    Listed("storage", "/app/storage"),
    Listed("forbidden", "/app/reviews", "anna", 403),
    Listed("not-found", "/app/nowhere", "anna", 404),
)
