"""What is wrong with a form, by field: from the API's refusals."""

from postroom.web.problems import Refusal


def errors_of(refusal: Refusal, *, where: str = "$") -> dict[str, str]:
    """Field to reason; a refusal without fields is raised again."""
    if not refusal.errors:
        raise refusal
    return {one.field if one.field != "$" else where: one.reason for one in refusal.errors}
