"""The operators' pages: name to path."""

PAGES = {
    "overview": "/app/overview",
    "queues": "/app/queues",
    "queue": "/app/queues/message-delivery",
    "peek": "/app/queues/dlq/peek",
    "jobs": "/app/jobs",
    "job": "/app/jobs/first-0",
    "dead-letters": "/app/dead-letters",
    "redrive": "/app/redrives/new",
    "workers": "/app/workers",
    "schedules": "/app/schedules",
    "providers": "/app/providers",
    "webhooks": "/app/webhooks",
    "suppressions": "/app/suppressions",
    "exports": "/app/exports",
    "alerts": "/app/alerts",
    "audit": "/app/audit",
    "people": "/app/people",
    "tokens": "/app/tokens",
    "storage": "/app/storage",
}
