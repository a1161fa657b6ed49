"""The pages of operators and admins, as one list."""

from typing import Final

from postroom.web.dashboard import (
    audit,
    dead_letters,
    exports,
    jobs,
    keeping,
    overview,
    people,
    providers,
    queues,
    schedules,
    suppressions,
    webhooks,
    workers,
)

PARTS: Final = (
    overview, queues, jobs, dead_letters, workers, schedules, providers, webhooks, suppressions, exports, keeping, audit,
    people,
)  # fmt: skip
HANDLERS: Final = tuple(handler for part in PARTS for handler in part.HANDLERS)
