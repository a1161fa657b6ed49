"""`message ...`: messages from the draft to the proof of delivery, directly on the database file.

Acts are done in the name of a user (`--as`), with that user's permissions; looking needs nobody's.
"""

import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import click
import msgspec

from postroom.cli.errors import CommandGroup, Failure
from postroom.cli.opening import opened, run, who
from postroom.cli.screen import add, ago, plain, print_json, screen, state, table
from postroom.kit.actor import Actor
from postroom.kit.clock import isoformat, to_datetime, to_us
from postroom.kit.redact import mask
from postroom.messages import (
    Changes,
    Draft,
    IllegalMove,
    MessageInvalid,
    MessageRecord,
    MessageState,
    NoSuchMessage,
    NotAllowed,
    Person,
)
from postroom.messages.drafts import local_moment
from postroom.messages.template_versions import filling
from postroom.store import StoreTransaction
from postroom.wiring import Application

ALL = 1 << 62
as_json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON.")
as_option = click.option("--as", "user", required=True, metavar="USER", help="Whose act it is.")


@click.group(cls=CommandGroup)
def message() -> None:
    """Write, review, send and follow messages."""


@message.command("list")
@click.option(
    "--status", type=click.Choice([str(one) for one in MessageState]), help="Only those in this state."
)
@click.option("--author", help="Only those that this person wrote.")
@click.option("--limit", default=20, type=click.IntRange(1, 1000), show_default=True)
@as_json_option
def list_(status: str | None, author: str | None, limit: int, as_json: bool) -> None:
    """List messages, newest first."""
    values = {
        "status": status,
        "author": author,
        "channel": None,
        "recipient_key": None,
        **dict.fromkeys(("topic", "template", "provider")),
        "since_us": 0,
        "until_us": ALL,
        "before": ALL,
        "limit": limit,
    }
    query = "list_messages_by_author" if author else "list_messages_by_status" if status else "list_messages"
    found = run(_rows(query, values))
    if as_json:
        print_json([_facts(one) for one in found])
        return
    made = table("id", "channel", "to", "state", "author", "provider", "code", "changed")
    for one in found:
        add(made, one.id, one.channel, mask(one.recipient), state(one.status), one.author or "", one.provider or "",
            one.code or "", ago(to_datetime(one.updated_us)))  # fmt: skip
    screen().print(made if found else "no messages")


@message.command("show")
@click.argument("message_id")
@as_json_option
def show(message_id: str, as_json: bool) -> None:
    """Where a message is, and everything that happened to it."""
    record, events = run(_history(message_id))
    if as_json:
        print_json({**_facts(record), "events": events})
        return
    click.echo(f"{record.id}  {record.channel} to {mask(record.recipient)}  {record.status}")
    for name, value in _facts(record).items():
        if value not in (None, False, "") and name not in ("messageId", "channel", "recipient", "status"):
            click.echo(f"  {name:<20} {plain(value)}")
    made = table("when", "what", "from", "to", "who", "provider", "code", "why")
    for one in events:
        add(made, one["at"], one["kind"], one["before"] or "", one["after"] or "", one["actor"], one["provider"] or "",
            one["code"] or "", one["reason"] or "")  # fmt: skip
    screen().print(made)


@message.command("draft")
@click.option("--channel", type=click.Choice(["email", "sms", "portal"]), default="email", show_default=True)
@click.option("--to", "recipient", required=True, help="Address or number.")
@click.option("--subject")
@click.option("--content", help="By default standard input.")
@click.option("--template", help="Instead of subject and content.")
@click.option("--set", "variables", multiple=True, metavar="NAME=VALUE", help="A variable of the template.")
@click.option("--id", "message_id", help="By default a new one.")
@as_option
@as_json_option
def draft(
    channel: str, recipient: str, subject: str | None, content: str | None, template: str | None,
    variables: tuple[str, ...], message_id: str | None, user: str, as_json: bool,
) -> None:  # fmt: skip
    """Write a draft; nothing is sent."""
    if content is None and template is None:
        content = sys.stdin.read()
    given = dict(one.partition("=")[::2] for one in variables)
    fields = {
        "channel": channel, "recipient": recipient, "messageId": message_id, "subject": subject, "content": content,
        "template": template, "variables": given or None,
    }  # fmt: skip
    made = msgspec.convert(fields, Draft)
    _said(
        run(_acting(user, lambda app, person: app.desk.draft(person, made, filling(app.templates, made)))),
        as_json,
    )


@message.command("read")
@click.argument("message_id")
@as_option
def read(message_id: str, user: str) -> None:
    """What a message says; the reading is audited."""
    found = run(_acting(user, lambda app, person: app.desk.read(person, message_id)))
    click.echo(f"To: {found.recipient}")
    if found.subject is not None:
        click.echo(f"Subject: {found.subject}")
    click.echo(f"\n{found.content}")


@message.command("edit")
@click.argument("message_id")
@click.option("--subject")
@click.option("--content", help="By default standard input.")
@as_option
@as_json_option
def edit(message_id: str, subject: str | None, content: str | None, user: str, as_json: bool) -> None:
    """Change what a message says; what was approved loses its approval."""
    if content is None and subject is None:
        content = sys.stdin.read()
    values = {
        name: value for name, value in (("subject", subject), ("content", content)) if value is not None
    }
    changes = msgspec.convert(values, Changes)
    _said(run(_acting(user, lambda app, person: app.desk.edit(person, message_id, changes, None))), as_json)


def _simple(
    name: str, text: str, act: Callable[[Application, Person, str, str | None], Awaitable[MessageRecord]]
) -> None:
    noted = name in ("approve", "reject")

    @message.command(name, help=text)
    @click.argument("message_id")
    @as_option
    @as_json_option
    @click.option("--note", help="What the author is to know.", hidden=not noted)
    def command(message_id: str, user: str, as_json: bool, note: str | None) -> None:
        _said(run(_acting(user, lambda app, person: act(app, person, message_id, note))), as_json)


_simple("submit", "Ask for a review.", lambda app, person, id_, note: app.desk.submit(person, id_))
_simple("approve", "Approve a message: it is sent, or scheduled.",
        lambda app, person, id_, note: app.desk.approve(person, id_, None, note))  # fmt: skip
_simple("reject", "Send a message back to its author.",
        lambda app, person, id_, note: app.desk.reject(person, id_, None, note))  # fmt: skip
_simple(
    "cancel",
    "Call a message off while it has not left.",
    lambda app, person, id_, note: app.desk.cancel(person, id_),
)
_simple("resend", "Send a message once more.", lambda app, person, id_, note: app.desk.resend(person, id_))
_simple(
    "send",
    "Send a message without a review.",
    lambda app, person, id_, note: app.desk.send(person, id_, None),
)


@message.command("resolve")
@click.argument("message_id")
@click.option("--arrived/--not-arrived", required=True, help="What was found out.")
@click.option("--note", help="How.")
@as_option
@as_json_option
def resolve(message_id: str, arrived: bool, note: str | None, user: str, as_json: bool) -> None:
    """Say what became of an uncertain or unconfirmed message."""
    _said(
        run(_acting(user, lambda app, person: app.desk.resolve(person, message_id, arrived, None, note))),
        as_json,
    )


@message.command("schedule")
@click.argument("message_id")
@click.option("--at", "moment", required=True, help="2026-01-31T09:00 with --zone, or with an offset.")
@click.option("--zone", help="IANA time zone, for example Europe/Berlin.")
@as_option
@as_json_option
def schedule(message_id: str, moment: str, zone: str | None, user: str, as_json: bool) -> None:
    """Plan when a message is to leave."""
    at_us = local_moment(moment, zone) if zone else _absolute(moment)
    if at_us is None:
        raise Failure(f"{moment!r} is no moment: write 2026-01-31T09:00 with --zone, or 2026-01-31T08:00:00Z")
    _said(
        run(_acting(user, lambda app, person: app.desk.schedule(person, message_id, None, at_us, zone))),
        as_json,
    )


def _absolute(text: str) -> int | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return to_us(found) if found.tzinfo is not None else None


async def _acting(user: str, act: Callable[[Application, Person], Awaitable[MessageRecord]]) -> MessageRecord:
    async with opened() as app:
        found = await app.store.read(lambda transaction: app.accounts.users.find(transaction, user))
        if found is None or found.disabled:
            raise Failure(
                f"{user!r} has no account, or a disabled one; `postroom user list` shows who there is"
            )
        actor = Actor(found.name, "+".join(found.roles), who())
        try:
            return await act(app, Person(actor, found.permissions))
        except NoSuchMessage as error:
            raise Failure(f"there is no message {error}; `postroom message list` shows them") from None
        except MessageInvalid as error:
            raise Failure("\n".join(f"{one.field} {one.reason}" for one in error.problems)) from None
        except (NotAllowed, IllegalMove) as error:
            raise Failure(str(error)) from None


async def _rows(query: str, values: dict[str, Any]) -> list[MessageRecord]:
    async with opened() as app:

        def look(transaction: StoreTransaction) -> list[MessageRecord]:
            return [app.records.opened(transaction, row) for row in transaction.all(query, **values)]

        return await app.store.read(look)


async def _history(message_id: str) -> tuple[MessageRecord, list[dict[str, Any]]]:
    async with opened() as app:
        record = await app.store.read(lambda transaction: app.records.find(transaction, message_id))
        if record is None:
            raise Failure(f"there is no message {message_id}; `postroom message list` shows them")
        rows = await app.store.read(
            lambda t: t.all("list_message_events", message_id=message_id, after=0, limit=10_000)
        )
    names = ("seq", "kind", "before", "after", "actor", "delivery_id", "provider", "code", "reason")
    return record, [
        {
            "at": isoformat(row["at_us"]), "details": msgspec.json.decode(row["details"]),
            **{name: row[name] for name in names},
        }
        for row in rows
    ]  # fmt: skip


def _said(record: MessageRecord, as_json: bool) -> None:
    if as_json:
        print_json(_facts(record))
    else:
        click.echo(f"{record.id} is {record.status}")


def _facts(record: MessageRecord) -> dict[str, Any]:
    return {
        "messageId": record.id, "channel": record.channel, "recipient": mask(record.recipient),
        "status": record.status, "version": record.version, "author": record.author, "topic": record.topic,
        "scheduledFor": isoformat(record.send_at_us), "expiresAt": isoformat(record.expires_us),
        "approvedBy": record.approved_by, "approvalEndsAt": isoformat(record.approval_ends_us),
        "provider": record.provider, "providerId": record.provider_id, "code": record.code, "reason": record.reason,
        "possibleDuplicate": record.possible_duplicate, "complained": record.complained,
        "sentAt": isoformat(record.sent_us), "deliveredAt": isoformat(record.delivered_us),
        "updatedAt": isoformat(record.updated_us),
    }  # fmt: skip
