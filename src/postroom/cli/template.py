"""`template ...`: what messages are made of, directly on the database file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, print_json, screen, table
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime
from postroom.messages import MessageInvalid
from postroom.messages.template_versions import NoSuchTemplate, Template, Templates
from postroom.messages.templates import NewTemplate, Rendered, TemplateText, render, samples_of
from postroom.store import StoreTransaction

T = TypeVar("T")
ALL = 1 << 62
LISTED_MAX = 10_000
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")

_new = msgspec.json.Decoder(NewTemplate)
_templates = Templates()


@click.group(cls=CommandGroup)
def template() -> None:
    """Look after templates."""


@template.command("list")
@click.option("--archived", is_flag=True, help="Those out of use.")
@as_json_option
def list_(archived: bool, as_json: bool) -> None:
    """List the templates, those made last first."""
    found = run(_reading(lambda t: _templates.page(t, ALL, LISTED_MAX, archived=archived)))
    if as_json:
        print_json([_facts(one) for one in found])
        return
    made = table("name", "channel", "version", "topic", "health data", "published", "by")
    for one in found:
        add(made, one.id, one.channel, one.version, one.text.topic, "yes" if one.text.health_data else "no",
            ago(to_datetime(one.at_us)), one.author)  # fmt: skip
    screen().print(made if found else "no templates; make one: postroom template publish FILE.json")


@template.command("show")
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="By default the published one.")
@as_json_option
def show(name: str, version: int | None, as_json: bool) -> None:
    """Show what NAME says; with --json as `template publish` reads it."""
    found = run(_reading(lambda t: _templates.find(t, name, version)))
    if as_json:
        print_json(_facts(found))
        return
    made = table("", "")
    for word, value in _facts(found).items():
        if value is not None and word not in ("content", "html", "variables"):
            add(made, word, value)
    for one in found.text.variables:
        need = "required" if one.required else "optional"
        add(
            made,
            f"variable {one.name}",
            f"{one.type}, {need}, at most {one.max_chars} characters, as: {one.sample}",
        )
    screen().print(made)
    click.echo(f"\n{found.text.content}")


@template.command("publish")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json_option
def publish(file: Path, as_json: bool) -> None:
    """Make the template of FILE, or publish a new version of it.

    FILE is JSON with templateId, channel, content and what `template show --json` shows beside; a file that says what
    is published already changes nothing.
    """
    made, fresh = run(_publish(_read(file)))
    if as_json:
        print_json(_facts(made))
    elif fresh:
        click.echo(f"{made.id} is published at version {made.version}")
    else:
        click.echo(f"{made.id} says so already, at version {made.version}")


@template.command("preview")
@click.argument("name")
@click.option(
    "--var",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="In the place of the samples; may be repeated.",
)
@click.option("--html", "as_html", is_flag=True, help="Write the HTML alone.")
@as_json_option
def preview(name: str, pairs: tuple[str, ...], as_html: bool, as_json: bool) -> None:
    """Show a message made of NAME."""
    found = run(_reading(lambda t: _templates.find(t, name)))
    made = _rendered(found, _variables(pairs))
    if as_json:
        print_json({"subject": made.subject, "content": made.content, "html": made.html})
    elif as_html:
        click.echo(made.html or "")
    else:
        if made.subject is not None:
            click.echo(f"Subject: {made.subject}\n")
        click.echo(made.content)


@template.command("archive")
@click.argument("name")
def archive(name: str) -> None:
    """Take NAME out of use: no new messages are made of it."""
    run(_acting(lambda t, actor, now_us: _templates.archive(t, name, True, actor, now_us)))
    click.echo(f"{name} is archived")


@template.command("restore")
@click.argument("name")
def restore(name: str) -> None:
    """Take NAME back into use."""
    run(_acting(lambda t, actor, now_us: _templates.archive(t, name, False, actor, now_us)))
    click.echo(f"{name} is in use again")


def _read(file: Path) -> NewTemplate:
    try:
        given = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        wanted = {name: value for name, value in given.items() if name not in SHOWN_ONLY}
        return _new.decode(msgspec.json.encode(wanted))
    except msgspec.ValidationError as error:
        raise Failure(f"{file.name}: {error}") from None
    except (msgspec.DecodeError, UnicodeError):
        raise Failure(f"{file.name} is not JSON") from None


async def _publish(new: NewTemplate) -> tuple[Template, bool]:
    def act(transaction: StoreTransaction, actor: Actor, now_us: int) -> tuple[Template, bool]:
        try:
            before = _templates.find(transaction, new.template_id)
        except NoSuchTemplate:
            return _templates.create(transaction, new, actor, now_us), True
        if before.channel != new.channel:
            raise Failure(f"{new.template_id} is for the channel {before.channel}; that cannot be changed")
        text = TemplateText(**{name: getattr(new, name) for name in TemplateText.__struct_fields__})
        after = _templates.publish(transaction, new.template_id, text, None, actor, now_us)
        return after, after.version > before.version

    return await _acting(act)


def _rendered(found: Template, variables: dict[str, str]) -> Rendered:
    try:
        return render(found.text, {**samples_of(found.text), **variables})
    except MessageInvalid as error:
        raise Failure(_lines(error)) from None


def _variables(pairs: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for number, pair in enumerate(pairs, 1):
        name, equals, value = pair.partition("=")
        if not equals:
            raise Failure(f"--var number {number} must be NAME=VALUE")
        found[name] = value
    return found


async def _acting(act: Callable[[StoreTransaction, Actor, int], T]) -> T:
    async with opened() as app:
        actor, now_us = Actor(who()), app.clock.now_us()
        try:
            return await app.store.write(lambda transaction: act(transaction, actor, now_us))
        except NoSuchTemplate:
            raise Failure(UNKNOWN) from None
        except MessageInvalid as error:
            raise Failure(_lines(error)) from None


async def _reading(look: Callable[[StoreTransaction], T]) -> T:
    async with opened() as app:
        try:
            return await app.store.read(look)
        except NoSuchTemplate:
            raise Failure(UNKNOWN) from None


UNKNOWN = "there is no such template, or no such version; `postroom template list` shows what there is"
SHOWN_ONLY = ("version", "latest", "archived", "sha256", "author", "publishedAt")


def _lines(error: MessageInvalid) -> str:
    return "\n".join(f"{problem.field} {problem.reason}" for problem in error.problems)


def _facts(one: Template) -> dict[str, Any]:
    text: dict[str, Any] = msgspec.to_builtins(one.text)
    return {
        "templateId": one.id, "channel": one.channel, "version": one.version, "latest": one.latest,
        "archived": one.archived, **text, "sha256": one.sha256, "author": one.author,
        "publishedAt": isoformat(one.at_us),
    }  # fmt: skip
