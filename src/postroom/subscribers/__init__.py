"""Subscribers: others who are told, by signed webhooks, what happens to messages. Ids and states, never contents."""

from postroom.subscribers.addresses import AddressRefused, checked_addresses
from postroom.subscribers.announcing import Announcer, WebhookJob
from postroom.subscribers.posting import Poster
from postroom.subscribers.subscriptions import Subscription, SubscriptionInvalid, Subscriptions

__all__ = [
    "AddressRefused",
    "Announcer",
    "Poster",
    "Subscription",
    "SubscriptionInvalid",
    "Subscriptions",
    "WebhookJob",
    "checked_addresses",
]
