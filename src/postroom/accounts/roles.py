"""Roles and what each may do: one table."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Permission(StrEnum):
    """Something that one may be allowed to do."""

    DRAFT = "draft"
    """Write and edit messages of one's own."""
    SUBMIT = "submit"
    """Ask for a review."""
    REVIEW = "review"
    """Approve, reject, and edit during review; never approve one's own."""
    SEND_DIRECTLY = "send_directly"
    """Send without a review, and call off or plan anybody's message."""
    READ_BODIES = "read_bodies"
    """Read recipients and contents of others' messages; every reading is audited."""
    LOOK_UP = "look_up"
    """See records of jobs, messages and exports, masked."""
    ENQUEUE = "enqueue"
    """Enqueue jobs as a program does."""
    CONSUME = "consume"
    """Take messages out of queues as a program does, contents included, and acknowledge them."""
    EXPORT = "export"
    """Ask for exports and fetch them."""
    SEE_AUDIT = "see_audit"
    """Read the audit trail, and verify it."""
    SEE_STATUS = "see_status"
    """See how queues and providers are doing."""
    MANAGE_QUEUES = "manage_queues"
    """Pause, resume, purge and redrive."""
    MANAGE_TEMPLATES = "manage_templates"
    MANAGE_SUPPRESSIONS = "manage_suppressions"
    """See and change who is not to be written to."""
    MANAGE_WEBHOOKS = "manage_webhooks"
    """Subscribe others to what happens."""
    DEBUG = "debug"
    """Try the way out and back under /debug."""
    MANAGE_USERS = "manage_users"
    """Make users, give roles, and issue tokens for others."""


class Role(StrEnum):
    """What somebody is here."""

    STAFF = "staff"
    REVIEWER = "reviewer"
    DOCTOR = "doctor"
    ADMIN = "admin"
    AUDITOR = "auditor"
    PRODUCER = "producer"
    """A program that enqueues jobs."""
    CONSUMER = "consumer"
    """A program that also takes messages out of queues."""
    OPERATOR = "operator"
    """Who runs the service: queues and status, and everything that producers may."""


P = Permission
_WRITES: Final = frozenset({P.DRAFT, P.SUBMIT, P.LOOK_UP})
_REVIEWS: Final = _WRITES | {
    P.REVIEW,
    P.SEND_DIRECTLY,
    P.READ_BODIES,
    P.MANAGE_TEMPLATES,
    P.MANAGE_SUPPRESSIONS,
}

MATRIX: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.STAFF: _WRITES,
        Role.REVIEWER: _REVIEWS,
        Role.DOCTOR: _REVIEWS - {P.MANAGE_TEMPLATES},
        Role.ADMIN: frozenset(Permission),
        # Sees that things were done and by whom, not what was written to whom.
        Role.AUDITOR: frozenset({P.LOOK_UP, P.SEE_AUDIT, P.SEE_STATUS, P.EXPORT}),
        Role.PRODUCER: frozenset({P.ENQUEUE, P.LOOK_UP}),
        Role.CONSUMER: frozenset({P.ENQUEUE, P.LOOK_UP, P.CONSUME, P.SEE_STATUS}),
        Role.OPERATOR: frozenset(
            {
                P.ENQUEUE,
                P.LOOK_UP,
                P.SEE_STATUS,
                P.MANAGE_QUEUES,
                P.EXPORT,
                P.MANAGE_SUPPRESSIONS,
                P.MANAGE_WEBHOOKS,
            }
        ),
    }
)
"""Role to permissions; who has several roles has what any of them allows."""


def permissions_of(roles: Iterable[str]) -> frozenset[Permission]:
    """What these roles allow together; a role that is none allows nothing."""
    known = {role.value: role for role in Role}
    return frozenset().union(*(MATRIX[known[role]] for role in roles if role in known))
