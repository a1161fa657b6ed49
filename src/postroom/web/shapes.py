"""What a body is like without what it says: its fields, and of each the kind and size."""

from typing import Any

FIELDS_MAX = 50


def shape(body: Any) -> dict[str, str]:
    """Field to kind and size; what is no object has one field, `$`."""
    if not isinstance(body, dict):
        return {"$": _kind(body)}
    return {str(name)[:64]: _kind(value) for name, value in list(body.items())[:FIELDS_MAX]}


def _kind(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "number"
        case str():
            return f"text, {len(value):,} characters"
        case bytes():
            return f"{len(value):,} bytes"
        case list():
            return f"list of {len(value):,}"
        case dict():
            return f"object of {len(value):,} fields"
        case _:
            return type(value).__name__
