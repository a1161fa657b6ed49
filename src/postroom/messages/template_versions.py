"""Where templates are kept: versions that never change, and which of them is the present one.

Every method of `Templates` runs inside a transaction of the caller's and writes its own audit entry.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from postroom.audit import record as audit
from postroom.jobs.validation import Problem
from postroom.kit.actor import Actor
from postroom.messages.drafts import Draft, MessageInvalid
from postroom.messages.templates import NewTemplate, TemplateText, Variable, check_template, render
from postroom.store import StoreTransaction

_variables = msgspec.json.Decoder(tuple[Variable, ...])


class NoSuchTemplate(LookupError):
    """There is no template, or no version, of that name."""


class TemplateTaken(ValueError):
    """There is a template of that name already, archived or not; publish a new version of it."""


class TemplateMoved(Exception):
    """Somebody has published a version since; `version` is the present one."""

    def __init__(self, version: int) -> None:
        super().__init__(f"the template is at version {version} meanwhile; look at it again")
        self.version = version


class Template(NamedTuple):
    """One version of a template."""

    seq: int
    id: str
    channel: str
    version: int
    latest: int
    """The published version."""
    archived: bool
    """Whether no new messages may be made of it."""
    text: TemplateText
    sha256: str
    author: str
    at_us: int
    """When this version was published, microseconds since 1970 UTC."""
    created_us: int


class Templates:
    """The table."""

    def create(self, transaction: StoreTransaction, new: NewTemplate, actor: Actor, now_us: int) -> Template:
        """A new template, at version 1. Raises TemplateInvalid and TemplateTaken."""
        check_template(new.channel, new, new.template_id)
        if transaction.one("find_template", id=new.template_id, version=None) is not None:
            raise TemplateTaken("there is a template of that name; publish a new version of it")
        transaction.run("insert_template", id=new.template_id, channel=new.channel, now_us=now_us)
        self._insert(transaction, new.template_id, new.channel, 1, new, actor, now_us)
        made = self.find(transaction, new.template_id)
        details = {"version": 1, "channel": new.channel}
        _audit(transaction, "template.created", actor, made, now_us, details)
        return made

    def publish(
        self,
        transaction: StoreTransaction,
        template_id: str,
        text: TemplateText,
        seen: int | None,
        actor: Actor,
        now_us: int,
    ) -> Template:
        """A new version, which holds for messages from now on; nothing happens when it says what the present one does.

        `seen` is the version that the author looked at; None for any. Raises NoSuchTemplate, TemplateMoved and
        TemplateInvalid.
        """
        before = self.find(transaction, template_id)
        if seen is not None and seen != before.version:
            raise TemplateMoved(before.version)
        check_template(before.channel, text)
        if _sha256(before.channel, text) == before.sha256:
            return before
        version = before.version + 1
        self._insert(transaction, template_id, before.channel, version, text, actor, now_us)
        transaction.run("publish_template", id=template_id, version=version, now_us=now_us)
        after = self.find(transaction, template_id)
        details = {"version": version}
        _audit(transaction, "template.published", actor, after, now_us, details, before.sha256)
        return after

    def archive(
        self, transaction: StoreTransaction, template_id: str, archived: bool, actor: Actor, now_us: int
    ) -> Template:
        """Take it out of use, or back into it. Raises NoSuchTemplate."""
        before = self.find(transaction, template_id)
        if before.archived != archived:
            transaction.run("archive_template", id=template_id, archived=archived, now_us=now_us)
            action = "template.archived" if archived else "template.restored"
            _audit(transaction, action, actor, before, now_us, {"version": before.version})
        return before._replace(archived=archived)

    def find(self, transaction: StoreTransaction, template_id: str, version: int | None = None) -> Template:
        """A version, by default the present one. Raises NoSuchTemplate."""
        row = transaction.one("find_template", id=template_id, version=version)
        if row is None:
            raise NoSuchTemplate("there is no such template")
        return _template(row)

    def page(
        self,
        transaction: StoreTransaction,
        before: int,
        limit: int,
        *,
        channel: str | None = None,
        archived: bool | None = False,
    ) -> list[Template]:
        """Present versions, those last made first; `archived` None is both."""
        values = {"before": before, "limit": limit, "channel": channel, "archived": archived}
        return [_template(row) for row in transaction.all("list_templates", **values)]

    def versions(
        self, transaction: StoreTransaction, template_id: str, before: int, limit: int
    ) -> list[Template]:
        """All versions, newest first. Raises NoSuchTemplate."""
        self.find(transaction, template_id)
        rows = transaction.all("list_template_versions", id=template_id, before=before, limit=limit)
        return [_template(row) for row in rows]

    def _insert(
        self,
        transaction: StoreTransaction,
        template_id: str,
        channel: str,
        version: int,
        text: TemplateText,
        actor: Actor,
        now_us: int,
    ) -> None:
        transaction.run(
            "insert_template_version", id=template_id, version=version, subject=text.subject, content=text.content,
            html=text.html, variables=msgspec.json.encode(text.variables).decode(), topic=text.topic,
            policy=text.policy, health_data=text.health_data, wait_seconds=text.uncertain_wait_seconds,
            sender=text.sender, sha256=_sha256(channel, text), author=actor.name, now_us=now_us,
        )  # fmt: skip


def filling(
    templates: Templates, draft: Draft
) -> Callable[[StoreTransaction, dict[str, Any]], dict[str, Any]]:
    """What completes the columns of a draft from the template that it names; a draft without one stays as it is.

    What the draft says of topic and policy wins; health data are so when either says it. The function raises
    MessageInvalid, naming fields and variables.
    """

    def fill(transaction: StoreTransaction, row: dict[str, Any]) -> dict[str, Any]:
        if draft.template is None:
            if draft.variables is not None:
                raise MessageInvalid([Problem("variables", "needs a template")])
            return row
        template = _usable(templates, transaction, draft)
        rendered = render(template.text, draft.variables or {})
        text = template.text
        return {
            **row, "subject": rendered.subject, "content": rendered.content, "html": rendered.html,
            "template": template.id, "template_version": template.version,
            "topic": draft.topic if draft.topic is not None else text.topic,
            "policy": draft.policy if draft.policy is not None else text.policy,
            "health_data": text.health_data or bool(draft.health_data),
        }  # fmt: skip

    return fill


def _usable(templates: Templates, transaction: StoreTransaction, draft: Draft) -> Template:
    assert draft.template is not None
    given = (("subject", draft.subject), ("content", draft.content), ("html", draft.html))
    problems = [
        Problem(name, "must be left out: the template has it") for name, value in given if value is not None
    ]
    try:
        found = templates.find(transaction, draft.template)
    except NoSuchTemplate:
        raise MessageInvalid([Problem("template", "is not known"), *problems]) from None
    if found.archived:
        problems.append(Problem("template", "is archived"))
    if found.channel != draft.channel:
        problems.append(Problem("template", f"is for the channel {found.channel}"))
    if problems:
        raise MessageInvalid(problems)
    return found


def _audit(
    transaction: StoreTransaction,
    action: str,
    actor: Actor,
    template: Template,
    now_us: int,
    details: dict[str, Any],
    before_sha256: str | None = None,
) -> None:
    audit(
        transaction, at_us=now_us, actor=actor, action=action, object_type="template", object_id=template.id,
        details=details, before_sha256=before_sha256, after_sha256=template.sha256,
    )  # fmt: skip


def _sha256(channel: str, text: TemplateText) -> str:
    """Of all that a version says; the name of the template is no part of it."""
    fields = {name: getattr(text, name) for name in TemplateText.__struct_fields__}
    return hashlib.sha256(msgspec.json.encode([channel, fields], order="sorted")).hexdigest()


def _template(row: Mapping[str, Any]) -> Template:
    text = TemplateText(
        subject=row["subject"], content=row["content"], html=row["html"],
        variables=_variables.decode(row["variables"]), topic=row["topic"], policy=row["policy"],
        health_data=bool(row["health_data"]), uncertain_wait_seconds=row["wait_seconds"], sender=row["sender"],
    )  # fmt: skip
    return Template(
        seq=row["seq"], id=row["id"], channel=row["channel"], version=row["version"], latest=row["latest"],
        archived=bool(row["archived"]), text=text, sha256=row["sha256"], author=row["author"], at_us=row["at_us"],
        created_us=row["created_us"],
    )  # fmt: skip
