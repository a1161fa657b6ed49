"""What the benchmarks must reach, by the names of their lines (issue 2, section 5)."""

from typing import Final, Literal, NamedTuple

Sense = Literal["at least", "under", "at most"]


class Target(NamedTuple):
    """A bound on a line's value."""

    sense: Sense
    bound: float
    unit: str = ""

    def met(self, value: float) -> bool:
        """Whether the value keeps within the bound; NaN does not."""
        if self.sense == "at least":
            return value >= self.bound
        return value < self.bound if self.sense == "under" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.sense} {self.bound:g}{self.unit and ' '}{self.unit}"


TARGETS: Final[dict[str, Target]] = {
    "senders": Target("at least", 0.6),
    "bulk": Target("at least", 0.6),
    "single": Target("at least", 0.8),
    "drain-100": Target("at least", 0.6),
    "drain-10": Target("at least", 0.35),
    "backlog-100": Target("at least", 0.8),
    "backlog-10": Target("at least", 0.8),
    "processes": Target("at least", 0.9),
    "idle-one": Target("under", 1, "ms p50"),
    "idle-two": Target("under", 2, "ms p50"),
    "idle-cpu": Target("under", 1, "% of a core"),
    "http": Target("at least", 1.5),
    "email": Target("at least", 0.7),
    "approve": Target("at least", 0.6),
    "webhooks": Target("at least", 0.4),
    "csv-audit_log": Target("at least", 0.5),
    "csv-messages": Target("at least", 0.5),
    "csv-attempts": Target("at least", 0.5),
    "export-memory": Target("under", 100, "MiB"),
    "send-audit_logs": Target("at most", 3),
    "send-message_queue": Target("at most", 3),
    "pages": Target("under", 100, "ms p95"),
    "dashboards": Target("at least", 0.9),
    "cloudflare": Target("at least", 5_000, "messages/s"),
    # The issue says "flat" and "none starved"; these two bounds are our reading of the words.
    "memory": Target("at most", 1.1),
    "starved": Target("at least", 0.5, "of a fair share"),
}
