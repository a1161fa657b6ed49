"""Retention: what is old enough leaves, archived first where it is a record."""

from postroom.retention.archive import ArchiveDamaged, Archives, Manifest
from postroom.retention.cleanup import Cleanup, Places
from postroom.retention.holds import KINDS, HoldInvalid, hold, holds, lift
from postroom.retention.policies import POLICIES, Policy, with_days
from postroom.retention.restoring import NotRestorable, restore
from postroom.retention.space import give_back

__all__ = [
    "KINDS",
    "POLICIES",
    "ArchiveDamaged",
    "Archives",
    "Cleanup",
    "HoldInvalid",
    "Manifest",
    "NotRestorable",
    "Places",
    "Policy",
    "give_back",
    "hold",
    "holds",
    "lift",
    "restore",
    "with_days",
]
