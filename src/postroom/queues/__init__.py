"""Cloudflare Queues for Python: a durable queue with batches, retries, delays and dead letters.

    async with connect("sqlite:///postroom.db") as queues:
        await queues["orders"].send({"id": 1})

        @queues.consumer("orders", dead_letter_queue="dead-orders")
        async def handle(batch: MessageBatch) -> None:
            for message in batch.messages:
                message.ack()

        await queues.run()

Delivery is at least once and in no promised order; see README.md for what that means for a handler.
"""

from postroom.queues.batch import MessageBatch
from postroom.queues.broker import Capabilities, QueueInfo
from postroom.queues.connect import Queues, connect
from postroom.queues.errors import (
    BrokerError,
    BrokerUnavailable,
    ConfigurationError,
    ContentTypeError,
    MessageRejected,
    MessageTooLarge,
    MissingDependency,
    QueueClosed,
    QueueDraining,
    QueueError,
    QueueNotFound,
    QueuePaused,
    StorageFull,
    UnsupportedCapability,
)
from postroom.queues.message import DeadLettered, Message
from postroom.queues.options import ConsumerOptions, QueueOptions, QueuesConfig
from postroom.queues.producer import MessageSendRequest
from postroom.queues.queue import Queue
from postroom.queues.redrive import Filter, Redriven
from postroom.queues.results import (
    PeekedMessage,
    PulledBatch,
    PulledMessage,
    QueueMetrics,
    Retry,
    SendResult,
    SettleResult,
)

__all__ = [
    "BrokerError",
    "BrokerUnavailable",
    "Capabilities",
    "ConfigurationError",
    "ConsumerOptions",
    "ContentTypeError",
    "DeadLettered",
    "Filter",
    "Message",
    "MessageBatch",
    "MessageRejected",
    "MessageSendRequest",
    "MessageTooLarge",
    "MissingDependency",
    "PeekedMessage",
    "PulledBatch",
    "PulledMessage",
    "Queue",
    "QueueClosed",
    "QueueDraining",
    "QueueError",
    "QueueInfo",
    "QueueMetrics",
    "QueueNotFound",
    "QueueOptions",
    "QueuePaused",
    "Queues",
    "QueuesConfig",
    "Redriven",
    "Retry",
    "SendResult",
    "SettleResult",
    "StorageFull",
    "UnsupportedCapability",
    "connect",
]
