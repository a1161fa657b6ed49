"""Retention: what is old enough leaves, archived first where it is a record."""

from postroom.retention.cleanup import Cleanup

__all__ = ["Cleanup"]
