"""A table from a vendor's answer to an outcome."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from postroom.delivery.outcome import Failover, Outcome, Verdict

ANY: Final = "*"


class Row(NamedTuple):
    """One row; the first that fits decides.

    `status` is an HTTP status in which `x` stands for any digit; `code` a code or name of the vendor's, `*` for any or
    none, or a prefix that ends in `*`.
    """

    status: str
    code: str
    verdict: Verdict
    detail: str
    suppress: bool = False
    elsewhere: Failover | None = None

    def fits(self, status: int, code: str) -> bool:
        """Whether the row speaks of such an answer."""
        if not all(want in ("x", got) for want, got in zip(self.status, f"{status:03d}", strict=True)):
            return False
        if self.code.endswith(ANY):
            return code.startswith(self.code[:-1])
        return self.code == code


def classify(
    rows: Sequence[Row], status: int, code: str, *, retry_after_seconds: float | None = None
) -> Outcome:
    """The outcome of an answer. One that no row knows is unknown from 500 on, and permanent below."""
    shown = f"{status} {code}".strip()
    for row in rows:
        if row.fits(status, code):
            return Outcome(
                row.verdict, shown, row.detail, suppress=row.suppress, elsewhere=row.elsewhere,
                retry_after_seconds=retry_after_seconds if row.verdict is Verdict.THROTTLED else None,
            )  # fmt: skip
    if status >= 500:
        return Outcome(
            Verdict.UNKNOWN,
            shown,
            "the provider failed after it had the request, so it may have been accepted",
        )
    return Outcome(Verdict.REJECTED_PERMANENT, shown, "refused by the provider")
