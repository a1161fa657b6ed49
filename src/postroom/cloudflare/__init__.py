"""A Postroom as a Cloudflare account: ids of queues, who consumes them, event subscriptions. HTTP is `web`'s."""

from postroom.cloudflare.account import ACCOUNT_ID_DEFAULT, Account
from postroom.cloudflare.attaching import Attaching
from postroom.cloudflare.catalogue import Catalogue, Entry, QueueNote, queue_id
from postroom.cloudflare.consumers import HTTP_PULL, NONE, WORKER, Attachment, Consumers
from postroom.cloudflare.event_subscriptions import (
    EVENTS,
    SOURCE,
    EventSubscription,
    EventSubscriptionInvalid,
    EventSubscriptions,
)

__all__ = [
    "ACCOUNT_ID_DEFAULT",
    "EVENTS",
    "HTTP_PULL",
    "NONE",
    "SOURCE",
    "WORKER",
    "Account",
    "Attaching",
    "Attachment",
    "Catalogue",
    "Consumers",
    "Entry",
    "EventSubscription",
    "EventSubscriptionInvalid",
    "EventSubscriptions",
    "QueueNote",
    "queue_id",
]
