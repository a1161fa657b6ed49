"""The job that sends a message of the workflow: it names the message, whose record has everything else."""

from postroom.jobs.models import BuiltInJob, Priority


class MessageJob(BuiltInJob, frozen=True, kw_only=True, tag="message_send"):
    """Send a message as it is on record when the time comes."""

    message_id: str
    priority: Priority = "normal"
