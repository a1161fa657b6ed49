"""Queues at Cloudflare (or at whatever speaks its API), over HTTP; see `broker`."""

from postroom.queues.brokers.cloudflare.broker import CloudflareBroker, open_url

__all__ = ["CloudflareBroker", "open_url"]
