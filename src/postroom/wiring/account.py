"""What this Postroom is as a Cloudflare account."""

from typing import Any

from postroom.cloudflare import ACCOUNT_ID_DEFAULT, Account
from postroom.messages.inbox import QUEUE as EVENTS_QUEUE
from postroom.queues import ConsumerOptions, Queues
from postroom.settings import Settings

SCRIPT_DEFAULT = "postroom"


def make_account(settings: Settings, queues: Queues, name: str) -> Account:
    """The account; `name` is the queue that jobs go to. The handlers are those of `open_application`."""
    jobs = queues.config.consumers.get(name) or ConsumerOptions(queue=name)
    events = ConsumerOptions(queue=EVENTS_QUEUE).merged(events_options(queues, name))
    return Account(
        id=settings.account_id or ACCOUNT_ID_DEFAULT,
        name=f"Postroom ({settings.environment})",
        any_id=settings.local and settings.account_id is None,
        script=queues.config.name or SCRIPT_DEFAULT,
        producers=queues.config.producers,
        handlers={name: jobs, EVENTS_QUEUE: events},
    )


def events_options(queues: Queues, name: str) -> dict[str, Any]:
    """How the callbacks of providers are taken from their queue."""
    jobs = queues.config.consumers.get(name)
    return {
        "max_batch_size": 100,
        "max_batch_timeout": 0,
        "max_retries": 20,
        "dead_letter_queue": jobs.dead_letter_queue if jobs is not None else None,
    }
