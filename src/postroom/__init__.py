"""Durable background jobs and outbound message delivery with Cloudflare Queues semantics.

`postroom.queues` is the queue and can be used alone. The other packages are the application on top of it;
ARCHITECTURE.md is the map.
"""

__version__ = "0.1.0"
