"""`/api/templates`: what messages are made of. A version is never changed; the ETag is the published version."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
from litestar import Response, get, patch, post, put
from litestar.params import FromPath, QueryParameter

from postroom.accounts import Permission
from postroom.delivery.segments import segments
from postroom.kit.clock import to_datetime
from postroom.messages.template_versions import (
    NoSuchTemplate,
    Template,
    TemplateMoved,
    Templates,
    TemplateTaken,
)
from postroom.messages.templates import NewTemplate, TemplateText, Variable, render, samples_of
from postroom.store import StoreTransaction
from postroom.web.auth import needs
from postroom.web.bodies import decode_body
from postroom.web.dependencies import Asked, Services, body_of
from postroom.web.paging import read_choice, read_cursor, read_limit
from postroom.web.people import etag, seen_version
from postroom.web.problems import NOT_FOUND, Kind, Refusal
from postroom.web.services import WebServices

T = TypeVar("T")

LOOKS_UP: Final = [needs(Permission.LOOK_UP)]
MANAGES: Final = [needs(Permission.MANAGE_TEMPLATES)]
CREATED: Final = 201
CHANNELS: Final = ("email", "sms", "portal")
TEMPLATE_EXISTS: Final = Kind("template-exists", 409, "There is a template of that name")
TEMPLATE_MOVED: Final = Kind("version-moved", 412, "The template has changed meanwhile")

_TEMPLATES: Final = Templates()


class TemplateView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One version of a template."""

    template_id: str
    channel: str
    version: int
    latest: int
    """The version that new messages are made of."""
    archived: bool
    """Whether no new messages are made of it."""
    subject: str | None
    content: str
    html: str | None
    variables: Sequence[Variable]
    topic: str | None
    policy: str | None
    health_data: bool
    uncertain_wait_seconds: float | None
    sender: str | None
    sha256: str
    author: str
    """Who published this version."""
    published_at: datetime


class TemplatePage(msgspec.Struct, frozen=True):
    """Some templates, or some versions of one; newest first."""

    templates: Sequence[TemplateView]
    next: str | None
    """The `before` of the next page; null on the last."""


class Archiving(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether it is out of use."""

    archived: bool


class Previewing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to show a template with; what is left out are the samples."""

    variables: dict[str, str] | None = None
    version: int | None = None

    def __repr__(self) -> str:
        return "Previewing()"


class Preview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A message as it would be."""

    version: int
    subject: str | None
    content: str
    html: str | None
    characters: int
    segments: int | None
    """Of a text message: the parts that it travels in, each of which is paid for."""


_new = msgspec.json.Decoder(NewTemplate)
_text = msgspec.json.Decoder(TemplateText)
_archiving = msgspec.json.Decoder(Archiving)
_previewing = msgspec.json.Decoder(Previewing)

Before = Annotated[str | None, QueryParameter(description="The `next` of an earlier page.")]
Limit = Annotated[str | None, QueryParameter(description="How many: 1 to 100, by default 20.")]


@get(
    "/api/templates",
    guards=LOOKS_UP,
    operation_id="listTemplates",
    tags=["templates"],
    summary="List templates",
)
async def list_templates(
    services: Services,
    channel: Annotated[str | None, QueryParameter(description="Only those of this channel.")] = None,
    archived: Annotated[
        str | None, QueryParameter(description="`no` by default, `yes` for those out of use, `all`.")
    ] = None,
    before: Before = None,
    limit: Limit = None,
) -> TemplatePage:
    """Present versions, those that were made last first."""
    count, cursor = read_limit(limit), read_cursor(before)
    wanted = read_choice("channel", channel, CHANNELS)
    shelved = {"yes": True, "all": None}.get(
        read_choice("archived", archived, ("yes", "no", "all")) or "no", False
    )
    found = await services.store.read(
        lambda t: _TEMPLATES.page(t, cursor, count + 1, channel=wanted, archived=shelved)
    )
    return _page(found, count, lambda one: one.seq)


@post(
    "/api/templates",
    guards=MANAGES,
    status_code=CREATED,
    operation_id="createTemplate",
    tags=["templates"],
    summary="Make a template",
)
async def create_template(request: Asked, services: Services) -> Response[TemplateView]:
    """Its name, channel and first version."""
    new = decode_body(await body_of(request), _new)
    actor, now_us = request.user.actor, services.clock.now_us()
    made = await _acting(services, lambda t: _TEMPLATES.create(t, new, actor, now_us))
    return _answer(made, CREATED, {"location": f"/api/templates/{made.id}"})


@get(
    "/api/templates/{template_id:str}",
    guards=LOOKS_UP,
    operation_id="getTemplate",
    tags=["templates"],
    summary="One template",
)
async def get_template(
    template_id: FromPath[str],
    services: Services,
    version: Annotated[str | None, QueryParameter(description="By default the published one.")] = None,
) -> Response[TemplateView]:
    """What it says; its ETag is what `If-Match` wants."""
    number = None if version is None else read_cursor(version)
    return _answer(await _reading(services, lambda t: _TEMPLATES.find(t, template_id, number)))


@get(
    "/api/templates/{template_id:str}/versions",
    guards=LOOKS_UP,
    operation_id="listTemplateVersions",
    tags=["templates"],
    summary="All versions of a template",
)
async def list_versions(
    template_id: FromPath[str], services: Services, before: Before = None, limit: Limit = None
) -> TemplatePage:
    """Newest first."""
    count, cursor = read_limit(limit), read_cursor(before)
    found = await _reading(services, lambda t: _TEMPLATES.versions(t, template_id, cursor, count + 1))
    return _page(found, count, lambda one: one.version)


@put(
    "/api/templates/{template_id:str}",
    guards=MANAGES,
    operation_id="publishTemplate",
    tags=["templates"],
    summary="Publish a new version",
)
async def publish_template(
    template_id: FromPath[str], request: Asked, services: Services
) -> Response[TemplateView]:
    """Messages drafted from now on are made of it; those that exist stay as they are. Needs `If-Match`."""
    text = decode_body(await body_of(request), _text)
    seen = seen_version(request, required=True)
    actor, now_us = request.user.actor, services.clock.now_us()
    return _answer(
        await _acting(services, lambda t: _TEMPLATES.publish(t, template_id, text, seen, actor, now_us))
    )


@patch(
    "/api/templates/{template_id:str}",
    guards=MANAGES,
    operation_id="archiveTemplate",
    tags=["templates"],
    summary="Take a template out of use, or back",
)
async def archive_template(
    template_id: FromPath[str], request: Asked, services: Services
) -> Response[TemplateView]:
    """No new messages are made of an archived one."""
    archived = decode_body(await body_of(request), _archiving).archived
    actor, now_us = request.user.actor, services.clock.now_us()
    return _answer(
        await _acting(services, lambda t: _TEMPLATES.archive(t, template_id, archived, actor, now_us))
    )


@post(
    "/api/templates/{template_id:str}/preview",
    guards=LOOKS_UP,
    status_code=200,
    operation_id="previewTemplate",
    tags=["templates"],
    summary="Show a message as it would be",
)
async def preview_template(template_id: FromPath[str], request: Asked, services: Services) -> Preview:
    """With its samples, or with variables of your own. Nothing is stored or sent."""
    body = await body_of(request)
    asked = decode_body(body, _previewing) if body.strip() else Previewing()
    found = await _reading(services, lambda t: _TEMPLATES.find(t, template_id, asked.version))
    made = render(found.text, samples_of(found.text) if asked.variables is None else asked.variables)
    return Preview(
        version=found.version, subject=made.subject, content=made.content, html=made.html,
        characters=len(made.content),
        segments=segments(made.content).parts if found.channel == "sms" else None,
    )  # fmt: skip


HANDLERS: Final = (
    list_templates, create_template, get_template, list_versions, publish_template, archive_template,
    preview_template,
)  # fmt: skip


def template_view(one: Template) -> TemplateView:
    """A version as the API shows it."""
    return TemplateView(
        template_id=one.id, channel=one.channel, version=one.version, latest=one.latest, archived=one.archived,
        sha256=one.sha256, author=one.author, published_at=to_datetime(one.at_us), **msgspec.structs.asdict(one.text),
    )  # fmt: skip


def _answer(
    one: Template, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[TemplateView]:
    return Response(
        template_view(one), status_code=status, headers={**(headers or {}), "etag": etag(one.latest)}
    )


def _page(found: Sequence[Template], count: int, key: Callable[[Template], int]) -> TemplatePage:
    shown = found[:count]
    return TemplatePage(
        [template_view(one) for one in shown], str(key(shown[-1])) if len(found) > count else None
    )


async def _acting(services: WebServices, act: Callable[[StoreTransaction], T]) -> T:
    try:
        return await services.store.write(act)
    except (NoSuchTemplate, TemplateTaken, TemplateMoved) as error:
        raise _refusal(error) from None


async def _reading(services: WebServices, look: Callable[[StoreTransaction], T]) -> T:
    try:
        return await services.store.read(look)
    except NoSuchTemplate as error:
        raise _refusal(error) from None


def _refusal(error: NoSuchTemplate | TemplateTaken | TemplateMoved) -> Refusal:
    match error:
        case NoSuchTemplate():
            return Refusal(NOT_FOUND, "There is no such template, or it has no such version.")
        case TemplateTaken():
            return Refusal(TEMPLATE_EXISTS, "Publish a new version of it with PUT.")
        case TemplateMoved():
            return Refusal(TEMPLATE_MOVED, "Look at it again.", headers={"etag": etag(error.version)})
