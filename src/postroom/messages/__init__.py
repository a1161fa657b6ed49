"""Messages to people: their states, their records, and what sends them."""

from postroom.messages.claims import Claims, UncertainPolicy
from postroom.messages.drafts import Changes, Draft, MessageInvalid
from postroom.messages.envelopes import Envelopes, RecordEnvelopes
from postroom.messages.given_up import GivenUp, record_given_up
from postroom.messages.inbox import Inbox, WebhookNotUnderstood, WebhookProcessed
from postroom.messages.job import MessageJob
from postroom.messages.ledger import StoreLedger
from postroom.messages.outbox import Outbox
from postroom.messages.portal import Portal, PortalLinks
from postroom.messages.reconciling import ReconcileJob, Reconciler
from postroom.messages.records import IllegalMove, MessageMoved, MessageRecord, Records
from postroom.messages.sending import AttemptFinished, FailedOver, MessageSender
from postroom.messages.states import MessageState
from postroom.messages.tracking import Tracking
from postroom.messages.wishes import Wishes
from postroom.messages.workflow import (
    Desk,
    NoSuchMessage,
    NotAllowed,
    Person,
    Reading,
    ReviewRules,
    VersionMoved,
)

__all__ = [
    "AttemptFinished",
    "Changes",
    "Claims",
    "Desk",
    "Draft",
    "Envelopes",
    "FailedOver",
    "GivenUp",
    "IllegalMove",
    "Inbox",
    "MessageInvalid",
    "MessageJob",
    "MessageMoved",
    "MessageRecord",
    "MessageSender",
    "MessageState",
    "NoSuchMessage",
    "NotAllowed",
    "Outbox",
    "Person",
    "Portal",
    "PortalLinks",
    "Reading",
    "ReconcileJob",
    "Reconciler",
    "RecordEnvelopes",
    "Records",
    "ReviewRules",
    "StoreLedger",
    "Tracking",
    "UncertainPolicy",
    "VersionMoved",
    "WebhookNotUnderstood",
    "WebhookProcessed",
    "Wishes",
    "record_given_up",
]
