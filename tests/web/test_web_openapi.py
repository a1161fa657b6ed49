"""The OpenAPI document and its page: complete, consistent, and true to what validation does (web/openapi)."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Annotated, Any

import msgspec
import pytest
from web_support import OPERATOR_TOKEN, THIN, Api, an_email, errors_of

from postroom.jobs import CleanupJob, EmailJob, ExportJob, JobRegistry, SmsJob
from postroom.web.openapi.job_schemas import EXAMPLES, LIMITS, job_components


async def fetch(api: Api, token: str | None = None) -> dict[str, Any]:
    response = await api.get("/schema/openapi.json", token=token)
    assert response.status_code == 200
    document: dict[str, Any] = response.json()
    return document


def walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(node, dict):
        yield node
        for part in node.values():
            yield from walk(part)
    elif isinstance(node, list):
        for part in node:
            yield from walk(part)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


async def test_every_reference_leads_somewhere(api: Api) -> None:
    """No component is missing."""
    document = await fetch(api)

    references = {node["$ref"] for node in walk(document) if "$ref" in node}

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references
    assert references <= known


async def test_every_operation_is_described(api: Api) -> None:
    """By a name of its own, a summary, a description, its path's parameters and the shape of its errors."""
    document = await fetch(api)

    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids)) >= 40
    for _, path, operation in operations(document):
        assert operation["summary"]
        assert operation["description"]
        declared = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"]
        assert declared == re.findall(r"{(\w+)}", path)
        problem = operation["responses"]["default"]["content"]
        assert problem == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


async def test_every_body_is_described(api: Api) -> None:
    """A job is one of the registered types, told apart by `type`."""
    document = await fetch(api)

    bodies = {path for _, path, operation in operations(document) if "requestBody" in operation}
    job = document["components"]["schemas"]["Job"]
    assert bodies >= {"/api/enqueue-job", "/api/enqueue-batch", "/api/queues/{name}/redrive", "/api/messages"}
    missing = {
        operation["operationId"] for method, _, operation in operations(document)
        if method in ("post", "put", "patch") and "requestBody" not in operation
    }  # fmt: skip
    assert missing == {
        "resumeQueue",
        "resumeRedrive",
        "stopRedrive",
        "stopWorker",
        "testAlerts",
        "submitMessage",
        "cancelMessage",
        "cancelExport",
        "runSchedule",
        "pauseSchedule",
        "resumeSchedule",
        "linkExport",
        "resendMessage",
        "deliveryTest",
        "testWebhook",
    }
    assert job["discriminator"]["propertyName"] == "type"
    assert list(job["discriminator"]["mapping"]) == ["cleanup", "email_send", "export_generation", "sms_send"]
    redrive = document["components"]["schemas"]["RedriveRequest"]["properties"]
    assert redrive.keys() == {"to", "reason", "ids", "dryRun", "rate"}


async def test_status_report_is_described(api: Api) -> None:
    """Although its model is not the web's."""
    document = await fetch(api)

    content = document["paths"]["/debug/queue-status"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/status.QueueStatus"}
    assert "failureRate" in document["components"]["schemas"]["status.Health"]["properties"]


async def test_tokens_are_described_where_they_are_needed(api: Api, production: Api) -> None:
    """Not locally, and never for health."""
    local, elsewhere = await fetch(api), await fetch(production, OPERATOR_TOKEN)

    assert "securitySchemes" not in local["components"]
    assert elsewhere["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    secured = {path for _, path, operation in operations(elsewhere) if operation.get("security")}
    assert set(elsewhere["paths"]) - secured == {"/health", "/ready"}


async def test_documented_answers_are_those_that_come(api: Api) -> None:
    """The fields of an enqueued job, the required ones first of all."""
    schema = (await fetch(api))["components"]["schemas"]["Accepted"]

    body = (await api.post(THIN, an_email())).json()

    assert set(schema["required"]) <= body.keys() <= schema["properties"].keys()


@pytest.mark.parametrize("model", [EmailJob, SmsJob, ExportJob, CleanupJob], ids=lambda model: model.__name__)
async def test_examples_are_accepted(api: Api, model: type[msgspec.Struct]) -> None:
    """What the document shows can be sent as it stands."""
    assert (await api.post(THIN, dict(EXAMPLES[model]))).status_code == 202


CASES = [
    (model, field, limit)
    for model, fields in LIMITS.items()
    for field, limits in fields.items()
    for limit in limits
    if limit in ("minLength", "maxLength")
]


@pytest.mark.parametrize(
    ("model", "field", "limit"), CASES, ids=[f"{m.__name__}-{f}-{x}" for m, f, x in CASES]
)
async def test_documented_lengths_are_the_real_ones(
    api: Api, model: type[msgspec.Struct], field: str, limit: str
) -> None:
    """A value at the limit passes, and one beyond does not."""
    length = int(LIMITS[model][field][limit])
    beyond = length + (1 if limit == "maxLength" else -1)

    async def refused(size: int) -> bool:
        return field in errors_of(await api.post(THIN, {**EXAMPLES[model], field: a_value(field, size)}))

    assert not await refused(length)
    assert await refused(beyond)


def a_value(field: str, length: int) -> str:
    if field != "recipient":
        return "x" * length
    # The part before the @ has at most 64 characters, and a label of a domain 63.
    address = f"{'a' * 64}@{'b' * 63}.{'b' * 63}."
    return address + "c" * (length - len(address))


async def test_users_models_are_described_with_their_limits() -> None:
    """Also untagged ones, and ones that no schema can be made from; a name of ours is not taken by theirs."""
    registry = JobRegistry()

    @registry.job("invoice_pdf")
    class Accepted(msgspec.Struct):
        number: Annotated[int, msgspec.Meta(ge=1)]

    @registry.job("odd_one")
    class Odd(msgspec.Struct):
        value: complex

    union, components = job_components(registry)

    assert union["discriminator"]["mapping"]["invoice_pdf"] == "#/components/schemas/job.Accepted"
    invoice, odd = components["job.Accepted"], components["job.Odd"]
    assert invoice["properties"]["number"]["minimum"] == 1
    assert invoice["properties"]["type"] == {"const": "invoice_pdf", "type": "string"}
    assert invoice["required"] == ["type", "number"]
    assert odd["properties"]["type"]["const"] == "odd_one"


class Links(HTMLParser):
    """Collects the tags of a page and what they load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.tags.add(tag)
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href")]


async def test_page_needs_no_network_and_no_script(api: Api) -> None:
    """It lists every operation, loads nothing, and its own style is allowed by its policy."""
    document = await fetch(api)

    response = await api.get("/schema")

    links = Links()
    links.feed(response.text)
    assert response.headers["content-type"].startswith("text/html")
    assert links.loaded == ["/schema/openapi.json"]
    assert "script" not in links.tags
    assert "style-src 'sha256-" in response.headers["content-security-policy"]
    assert all(path in response.text for path in document["paths"])
    assert all(name in response.text for name in ("messageId", "olderThan", "exportId"))
