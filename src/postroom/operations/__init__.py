"""What operators do: hold queues, bring dead letters back, and look at what failed."""

from postroom.operations.failures import Alike, Failures
from postroom.operations.holds import Hold, HoldKind, Holds
from postroom.operations.keeper import Keeper
from postroom.operations.redrives import Action, Choice, Redrive, Redrives
from postroom.operations.search import Jobs, JobSearch, SearchPage
from postroom.operations.timeline import Timelines

__all__ = [
    "Action",
    "Alike",
    "Choice",
    "Failures",
    "Hold",
    "HoldKind",
    "Holds",
    "JobSearch",
    "Jobs",
    "Keeper",
    "Redrive",
    "Redrives",
    "SearchPage",
    "Timelines",
]
