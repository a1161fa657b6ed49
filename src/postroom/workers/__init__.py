"""What runs in the background of a service: the consumer of jobs."""

from postroom.workers.status import QueueStatus, StatusReader

__all__ = ["QueueStatus", "StatusReader"]
