"""The OpenAPI document: what Litestar knows of the handlers, completed with what it cannot know.

Litestar writes paths, parameters and the models of answers. Added here: the bodies (the handlers read bytes), the
problems, who may call what, and the status report, whose model belongs to the workers.
"""

import copy
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Server

from postroom import __version__
from postroom.messages import Changes, Draft
from postroom.messages.templates import NewTemplate, TemplateText
from postroom.queues.limits import BATCH_COUNT_MAX
from postroom.web.api import (
    alerts,
    exports,
    message_lists,
    messages,
    operations,
    queues,
    session,
    suppressions,
    templates,
    unclear,
    users,
    webhooks,
)
from postroom.web.api.enqueue import ENQUEUE_BATCH, ENQUEUE_JOB
from postroom.web.api.redrive import RedriveRequest
from postroom.web.debug import delivery
from postroom.web.health import OPEN_PATHS
from postroom.web.openapi.job_schemas import PREFIX, job_components
from postroom.web.openapi.routes import documentation
from postroom.web.problems import MEDIA_TYPE, Problem
from postroom.web.services import WebServices

DESCRIPTION: Final = (
    "Durable background jobs and outbound messages. Every error is an RFC 9457 problem; none repeats a value that was "
    "sent. A client may name its request with `X-Request-Id`, which comes back."
)
SECURITY: Final[list[dict[str, list[str]]]] = [{"bearer": []}]

STATUS_NAMESPACE: Final = "status."
"""Keeps the workers' models from taking the names of ours."""

TOO_LARGE: Final = "The body is over 256 KiB, or a job over 128,000 bytes."
ENQUEUE_PROBLEMS: Final[Mapping[str, str]] = {
    "400": "The body is not JSON.",
    "413": TOO_LARGE,
    "422": "Fields are wrong; `errors` names each with its reason.",
    "503": "The store does not answer; Retry-After says when to try again.",
    "507": "The store has no room left; nothing was stored.",
}
PROBLEMS: Final[Mapping[str, Mapping[str, str]]] = {
    "enqueueJob": ENQUEUE_PROBLEMS,
    "enqueueBatch": ENQUEUE_PROBLEMS,
    "listJobs": {"400": "A parameter cannot be used."},
    "getJob": {"404": "There is no such job."},
    "getMessage": {"404": "There is no such message."},
    "getExport": {"404": "There is no such export."},
    "getQueue": {"404": "There is no such queue."},
    "pauseQueue": {"404": "There is no such queue."},
    "resumeQueue": {"404": "There is no such queue."},
    "peekQueue": {"400": "A parameter cannot be used.", "404": "There is no such queue."},
    "redriveQueue": {
        "400": "The body is not JSON.",
        "404": "There is no such queue.",
        "413": TOO_LARGE,
        "422": "Fields are wrong; `errors` names each with its reason.",
    },
    "ready": {"503": "Not ready."},
}
"""Operation to what may go wrong with it, beside what may with all."""

BODIES: Final[Mapping[str, tuple[type[msgspec.Struct], bool]]] = {
    "draftMessage": (Draft, True),
    "editMessage": (Changes, True),
    "approveMessage": (messages.Remark, False),
    "rejectMessage": (messages.Remark, False),
    "sendMessage": (messages.SendAt, False),
    "scheduleMessage": (messages.Plan, True),
    "createUser": (users.NewUser, True),
    "changeUser": (users.ChangedUser, True),
    "createToken": (users.NewToken, True),
    "signIn": (session.SignIn, True),
    "createWebhook": (webhooks.NewSubscription, True),
    "changeWebhook": (webhooks.ChangedSubscription, True),
    "webhookTest": (delivery.WebhookTest, False),
    "searchMessages": (message_lists.Search, True),
    "searchSuppressions": (suppressions.Search, True),
    "resolveMessage": (messages.Finding, True),
    "createExport": (exports.ExportWanted, True),
    "createTemplate": (NewTemplate, True),
    "publishTemplate": (TemplateText, True),
    "archiveTemplate": (templates.Archiving, True),
    "previewTemplate": (templates.Previewing, False),
    "suppressAddress": (suppressions.NewSuppression, True),
    "liftSuppression": (suppressions.Lifting, True),
    "decideUnclearWish": (unclear.Deciding, True),
    "pauseQueue": (queues.HoldRequest, False),
    "drainQueue": (queues.HoldRequest, False),
    "purgeQueue": (queues.PurgeRequest, True),
    "changeQueue": (queues.QueueChange, True),
    "beginRedrive": (operations.RedriveWanted, False),
    "changeRedrive": (operations.RateChange, True),
    "setAlertRule": (alerts.RuleChange, True),
}
"""Operation to the model of its body, and whether it must have one."""

ADMISSION: Final[Mapping[str, str]] = {
    "401": "No token, or an unknown one. Not in the local environment.",
    "403": "The token's role does not allow it; in the local environment, the request came from elsewhere.",
}


def openapi_config(services: WebServices) -> OpenAPIConfig:
    """Litestar's configuration, with the document and its page under /schema."""

    def complete(schema: Mapping[str, Any]) -> dict[str, Any]:
        return completed(schema, services)

    plugins: list[OpenAPIRenderPlugin]
    plugins, router = documentation(complete)
    return OpenAPIConfig(
        title="Postroom",
        version=__version__,
        description=DESCRIPTION,
        servers=[Server(url="/")],
        use_handler_docstrings=True,
        render_plugins=plugins,
        openapi_router=router,
    )


def completed(schema: Mapping[str, Any], services: WebServices) -> dict[str, Any]:
    """The whole document, from Litestar's part."""
    document: dict[str, Any] = copy.deepcopy(dict(schema))
    components: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    any_job, jobs = job_components(services.producer.registry)
    components.update(jobs, Job=any_job)
    models: list[type[msgspec.Struct]] = [Problem, RedriveRequest, *(model for model, _ in BODIES.values())]
    for model in models:
        components.update(_components(model))
    for path, operation in _operations(document):
        _add_problems(operation, admission=path not in OPEN_PATHS)
        body = BODIES.get(operation["operationId"])
        if body is not None:
            content = {"application/json": {"schema": {"$ref": PREFIX + body[0].__name__}}}
            operation["requestBody"] = {"required": body[1], "content": content}
        for parameter in operation.get("parameters", ()):
            _plain(parameter)
        if path not in OPEN_PATHS and not services.local:
            operation["security"] = SECURITY
    if not services.local:
        scheme = {"type": "http", "scheme": "bearer", "description": "A token of POSTROOM_API_TOKENS."}
        document["components"]["securitySchemes"] = {"bearer": scheme}
    paths = document["paths"]
    _describe_enqueueing(paths)
    _body(paths["/api/queues/{name}/redrive"], {"$ref": PREFIX + "RedriveRequest"}, required=False)
    _describe_status(paths["/debug/queue-status"], services, components)
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                yield path, operation


def _add_problems(operation: dict[str, Any], *, admission: bool) -> None:
    responses = operation["responses"]
    # Litestar's own 400 describes an answer that is never given.
    responses.pop("400", None)
    own = PROBLEMS.get(operation["operationId"], {})
    for status, text in {**own, **(ADMISSION if admission else {}), "default": "Any other problem."}.items():
        responses[status] = {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": {"$ref": PREFIX + "Problem"}}},
        }


def _plain(parameter: dict[str, Any]) -> None:
    """A parameter that may be left out is not one that may be null, as Litestar has it."""
    schema = parameter["schema"]
    for alternative in schema.pop("oneOf", ()):
        if alternative != {"type": "null"}:
            parameter["schema"] = {**alternative, **schema}


def _describe_enqueueing(paths: Mapping[str, Any]) -> None:
    job = {"$ref": PREFIX + "Job"}
    batch = {
        "type": "object",
        "required": ["jobs"],
        "additionalProperties": False,
        "properties": {"jobs": {"type": "array", "minItems": 1, "maxItems": BATCH_COUNT_MAX, "items": job}},
    }
    _body(paths[ENQUEUE_JOB], job)
    _body(paths[ENQUEUE_BATCH], batch)
    for path, text in (
        (ENQUEUE_JOB, "Known already: the first answer, with `duplicate: true`."),
        (ENQUEUE_BATCH, "All of them were known already."),
    ):
        responses = paths[path]["post"]["responses"]
        responses["200"] = {**responses["202"], "description": text}


def _body(item: Mapping[str, Any], schema: Mapping[str, Any], *, required: bool = True) -> None:
    item["post"]["requestBody"] = {
        "required": required,
        "content": {"application/json": {"schema": dict(schema)}},
    }


def _describe_status(item: Mapping[str, Any], services: WebServices, components: dict[str, Any]) -> None:
    """The model of the status report is what its reader says it returns."""
    model = typing.get_type_hints(services.status).get("return")
    if isinstance(model, type) and issubclass(model, msgspec.Struct):
        components.update(_components(model, STATUS_NAMESPACE))
        content = item["get"]["responses"]["200"]["content"]["application/json"]
        content["schema"] = {"$ref": PREFIX + STATUS_NAMESPACE + model.__name__}


def _components(model: type[msgspec.Struct], namespace: str = "") -> dict[str, Any]:
    _, parts = msgspec.json.schema_components([model], ref_template=f"{PREFIX}{namespace}{{name}}")
    return {namespace + name: part for name, part in parts.items()}
