"""Messages to people: their states, their records, and the processors that send them."""

from postroom.messages.given_up import record_given_up
from postroom.messages.ledger import StoreLedger
from postroom.messages.sending import EmailSender, TextSender, UncertainPolicy
from postroom.messages.states import MessageState

__all__ = [
    "EmailSender",
    "MessageState",
    "StoreLedger",
    "TextSender",
    "UncertainPolicy",
    "record_given_up",
]
