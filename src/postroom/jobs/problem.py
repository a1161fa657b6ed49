"""What is wrong with a job: problems by field, and the errors that carry them.

No text here repeats a value: recipients, subjects and contents are health data.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from postroom.jobs.outcome import PermanentError

PROBLEMS_MAX: Final = 50
"""More are counted, not listed."""
ROOT: Final = "$"
"""The field of a problem that is the whole job's."""


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong: the field by wire name and path (`lines[2].amount`), and the reason.

    A problem of the whole job has the field `$`. The reason is a predicate: "is missing".
    """

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{'the job' if self.field == ROOT else self.field} {self.reason}"


class JobInvalid(PermanentError, ValueError):
    """The job cannot be accepted; `problems` says why, field by field, without any value.

    A model's `__post_init__` may raise it with problems of its own, which are passed on. Out of a processor
    it counts as failed for good.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        listed = tuple(problems[:PROBLEMS_MAX])
        if len(problems) > PROBLEMS_MAX:
            listed = (*listed, Problem(ROOT, f"has {len(problems) - PROBLEMS_MAX:,} more problems"))
        super().__init__("; ".join(map(str, listed)), code="job_invalid")
        self.problems = listed

    def __reduce__(self) -> tuple[type["JobInvalid"], tuple[tuple[Problem, ...]]]:
        return type(self), (self.problems,)


class JobTooLarge(JobInvalid):
    """The job is longer than a queue message may be, and nothing else is known to be wrong with it."""
