"""JSON Schemas of the registered jobs: their fields from the models, their limits from here.

The limits of the built-in jobs are rules in code (`jobs.models.RULES`), which no schema can be made from. A test
holds what is written here against what validation does.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from postroom.jobs import CleanupJob, EmailJob, ExportJob, Job, JobRegistry, SmsJob
from postroom.jobs.models import (
    ADDRESS_CHARS_MAX,
    EMAIL_CONTENT_BYTES_MAX,
    ID_CHARS_MAX,
    SMS_CONTENT_CHARS_MAX,
    SUBJECT_CHARS_MAX,
)
from postroom.jobs.registry import TYPE_FIELD

PREFIX: Final = "#/components/schemas/"
_NAMESPACE: Final = "job."
"""Keeps a user's model from taking the name of one of ours."""

_ID: Final = {"minLength": 1, "maxLength": ID_CHARS_MAX, "pattern": rf"^[A-Za-z0-9._:-]{{1,{ID_CHARS_MAX}}}$"}
_MESSAGE_ID: Final = {**_ID, "description": "Names the message; a second job with it is a duplicate."}

LIMITS: Final[Mapping[type[Job], Mapping[str, Mapping[str, Any]]]] = {
    EmailJob: {
        "messageId": _MESSAGE_ID,
        "recipient": {
            "format": "email",
            "maxLength": ADDRESS_CHARS_MAX,
            "description": "One bare address, without a display name.",
        },
        "subject": {
            "minLength": 1,
            "maxLength": SUBJECT_CHARS_MAX,
            "description": "One line, without control characters.",
        },
        "content": {
            "minLength": 1,
            "maxLength": EMAIL_CONTENT_BYTES_MAX,
            "description": f"1 to {EMAIL_CONTENT_BYTES_MAX:,} bytes of UTF-8.",
        },
        "priority": {
            "description": "high goes at once, normal after 1 s, low after 5 s (unless set otherwise)."
        },
    },
    SmsJob: {
        "messageId": _MESSAGE_ID,
        "recipient": {
            "pattern": r"^\+[1-9][0-9]{6,14}$",
            "description": "An E.164 number that its country's numbering plan has room for.",
        },
        "content": {"minLength": 1, "maxLength": SMS_CONTENT_CHARS_MAX},
        "priority": {
            "description": "high goes at once, normal after 1 s, low after 5 s (unless set otherwise)."
        },
    },
    ExportJob: {
        "exportId": {**_ID, "description": "Names the export; a second job with it is a duplicate."},
        "userId": {**_ID, "description": "Who asked for it."},
        "filters": {
            "description": "`dataset` (audit_log or messages) and its filters, such as startDate and endDate."
        },
    },
    CleanupJob: {
        "olderThan": {
            "description": "RFC 3339 with a zone, or a plain date for its midnight UTC; not in the future.",
            # A plain date is no `date-time`.
            "format": None,
        },
    },
}

EXAMPLES: Final[Mapping[type[Job], Mapping[str, Any]]] = {
    EmailJob: {
        "type": "email_send", "messageId": "test-123", "recipient": "test@example.com", "subject": "Test",
        "content": "Test message", "priority": "normal",
    },
    SmsJob: {
        "type": "sms_send", "messageId": "test-124", "recipient": "+14155552671", "content": "Test message",
        "priority": "high",
    },
    ExportJob: {
        "type": "export_generation", "exportId": "export-456", "userId": "user-789", "format": "csv",
        "filters": {"startDate": "2024-01-01", "endDate": "2024-12-31"},
    },
    CleanupJob: {"type": "cleanup", "target": "temp_files", "olderThan": "2024-01-01"},
}  # fmt: skip

SEND_AT: Final = {
    "type": ["string", "null"],
    "format": "date-time",
    "description": "When to do it, with a zone; a past moment, null or nothing means at once. Not a part of the job.",
}


def job_components(registry: JobRegistry) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of any job, and the components it refers to."""
    components: dict[str, Any] = {}
    mapping: dict[str, str] = {}
    for name in registry.types:
        reference, parts = _of_model(registry.model(name), name)
        components.update(parts)
        mapping[name] = reference
    union = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": TYPE_FIELD, "mapping": mapping},
    }
    return union, components


def _of_model(model: type[Job], name: str) -> tuple[str, dict[str, Any]]:
    """The reference of one job's schema, and its components."""
    try:
        (outer,), parts = msgspec.json.schema_components([model], ref_template=PREFIX + _NAMESPACE + "{name}")
    except TypeError:
        # A user's model may hold types that only its own decoder understands.
        parts = {
            model.__name__: {"type": "object", "title": model.__name__, "properties": {}, "required": []}
        }
        outer = {"$ref": PREFIX + _NAMESPACE + model.__name__}
    schema = parts[outer["$ref"].removeprefix(PREFIX + _NAMESPACE)]
    properties: dict[str, Any] = schema["properties"]
    for field, limits in LIMITS.get(model, {}).items():
        properties[field] = {
            key: value for key, value in {**properties[field], **limits}.items() if value is not None
        }
    properties[TYPE_FIELD] = {"const": name, "type": "string"}
    properties["sendAt"] = dict(SEND_AT)
    schema["required"] = [TYPE_FIELD, *(field for field in schema["required"] if field != TYPE_FIELD)]
    if model in EXAMPLES:
        schema["examples"] = [dict(EXAMPLES[model])]
    return outer["$ref"], {_NAMESPACE + key: part for key, part in parts.items()}
