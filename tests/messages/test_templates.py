"""Templates: syntax, rules, rendering, versions, and drafts made of them (messages/templates.py, template_versions.py)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from workflow_support import ANNA, BEN, a_draft, trail

from postroom.kit.actor import Actor
from postroom.messages import MessageInvalid
from postroom.messages.placeholders import PlaceholderError, fill, read_parts
from postroom.messages.template_versions import (
    NoSuchTemplate,
    Template,
    TemplateMoved,
    Templates,
    TemplateTaken,
    filling,
)
from postroom.messages.templates import (
    NewTemplate,
    TemplateInvalid,
    TemplateText,
    Variable,
    check_template,
    render,
    samples_of,
)
from postroom.store import StoreTransaction
from postroom.wiring import Application
from support.refusals import refused

CANARY = "CaNaRy7"
WRITER = Actor("ben")
TEMPLATES = Templates()


def a_text(**values: Any) -> TemplateText:
    given = {
        "subject": "Hello {{ name }}", "content": "On {{ day }}, {{name}}.", "html": "<p>On {{day}}, {{ name }}.</p>",
        "variables": (Variable(name="name", sample="Anna"), Variable(name="day", type="date", sample="2026-12-01")),
    }  # fmt: skip
    return TemplateText(**{**given, **values})


def a_template(**values: Any) -> NewTemplate:
    fields = msgspec.structs.asdict(a_text(**values))
    return NewTemplate(template_id="reminder", channel="email", **fields)


def problems_of(error: MessageInvalid) -> dict[str, str]:
    return {problem.field: problem.reason for problem in error.problems}


def invalid(channel: str = "email", **values: Any) -> dict[str, str]:
    with pytest.raises(TemplateInvalid) as caught:
        check_template(channel, a_text(**values))
    return problems_of(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a\nbc {{{ name }}}", 2, 4, "three braces"),
        ("{{ name", 1, 1, "not closed"),
        ("x {{ name\n}}", 1, 3, "not closed"),
        ("{{ {{ name }}", 1, 1, "not closed"),
        ("\n\n {{#if name}}", 3, 2, "no placeholder"),
        ("{{}}", 1, 1, "no placeholder"),
        ("{{ name | upper }}", 1, 1, "no placeholder"),
        ("{{ Name }}", 1, 1, "no placeholder"),
        ("{{name}}}", 1, 1, "no placeholder"),
    ],
)
def test_syntax_error_has_its_place(text: str, line: int, column: int, reason: str) -> None:
    """Line and column count from 1."""
    with pytest.raises(PlaceholderError, match=reason) as caught:
        read_parts(text)

    assert (caught.value.line, caught.value.column) == (line, column)


@given(st.text(), st.text(), st.text())
def test_text_without_placeholders_stays_as_it_is(before: str, value: str, after: str) -> None:
    """And a value is filled in once: what is in it is never read as a template."""
    before, after = before.replace("{{", "{ "), after.replace("{{", "{ ").removeprefix("}")
    parts = read_parts(f"{before.removesuffix('{')}{{{{ x }}}}{after}")

    assert fill(parts, {"x": value}) == before.removesuffix("{") + value + after


def test_message_is_rendered() -> None:
    """Plain text as it is, HTML escaped."""
    made = render(a_text(), {"name": "<b>Bob & Co</b>", "day": "2026-01-31"})

    assert made.subject == "Hello <b>Bob & Co</b>"
    assert made.content == "On 2026-01-31, <b>Bob & Co</b>."
    assert made.html == "<p>On 2026-01-31, &lt;b&gt;Bob &amp; Co&lt;/b&gt;.</p>"
    assert "Bob" not in repr(made)


def test_value_cannot_be_a_template() -> None:
    """It is not rendered again."""
    assert render(a_text(), {"name": "{{ day }}", "day": "2026-01-31"}).content == "On 2026-01-31, {{ day }}."


def test_wrong_variables_are_named_without_their_values() -> None:
    """Missing, unknown, of the wrong type, too long, and with names that cannot be."""
    text = a_text(
        variables=(
            Variable(name="name", sample="Anna", max_chars=8),
            Variable(name="day", type="date", sample="2026-12-01"),
            Variable(name="count", type="number", sample="1"),
            Variable(name="link", type="url", sample="https://example.com"),
        )
    )
    given = {
        "name": CANARY * 2, "day": f"{CANARY}", "count": CANARY, "other": CANARY, f"{CANARY} x": "y", "link": f"javascript:{CANARY}",
    }  # fmt: skip

    with pytest.raises(MessageInvalid) as caught:
        render(text, given)

    found = problems_of(caught.value)
    assert found == {
        "variables": "has a name that no variable can have",
        "variables.other": "is not known to the template",
        "variables.name": "must have at most 8 characters",
        "variables.day": "must be a date, as 2026-01-31 or 2026-01-31T14:00",
        "variables.count": "must be a number, as 12 or 12.50",
        "variables.link": "must be an address that begins with https:// or http://",
    }
    assert CANARY not in str(caught.value)


def test_required_variable_may_not_be_missing_or_blank() -> None:
    """One that is not required is filled in as nothing."""
    for variables in ({"day": "2026-01-31"}, {"day": "2026-01-31", "name": "  "}):
        with pytest.raises(MessageInvalid, match=r"variables\.name is missing"):
            render(a_text(), variables)

    optional = a_text(variables=(Variable(name="name", required=False, sample=""), a_text().variables[1]))
    assert render(optional, {"day": "2026-01-31"}).subject == "Hello "


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\u2028", "\x85"])
def test_subject_refuses_line_breaks(break_: str) -> None:
    """However they are written; the content takes them."""
    with pytest.raises(MessageInvalid, match=r"variables\.name"):
        render(a_text(), {"name": f"Anna{break_}Bcc: x@example.com", "day": "2026-01-31"})

    free = a_text(subject="Hello")
    assert "\nBob" in render(free, {"name": "Anna\nBob", "day": "2026-01-31"}).content


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [
        ("date", "2026-02-29", False), ("date", "2028-02-29", True), ("date", "2026-01-31T14:00", True), ("date", "20260131", False),
        ("number", "-12,50", True), ("number", "1e9", False), ("number", "１２", False), ("url", "https://example.com/?a=b&c", True),
        ("url", "https://user@example.com", False), ("url", "https://", False), ("url", "https://a b", False), ("url", "ftp://a", False),
        ("url", "https://[", False), ("text", "a\tb\nc", True), ("text", "a\x1bb", False), ("text", "a\rb", False),
    ],
)  # fmt: skip
def test_value_fits_its_type(kind: Any, value: str, good: bool) -> None:
    """The same for samples and for what is sent."""
    variables = (Variable(name="name", type=kind, sample=value),)
    if good:
        check_template("email", a_text(content="x", html=None, subject="x", variables=variables))
    else:
        assert invalid(content="x", html=None, subject="x", variables=variables).keys() == {
            "variables[0].sample"
        }


def test_template_without_faults_is_checked() -> None:
    """With everything that it may say."""
    check_template(
        "email", a_text(topic="news", policy="at_least_once", uncertain_wait_seconds=30, sender="Clinic <c@example.com>"),
        "reminder-1",
    )  # fmt: skip
    check_template("sms", a_text(subject=None, html=None, content="{{name}} {{day}}", sender="Clinic"))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("subject", {"subject": None}), ("subject", {"subject": "a\nb"}), ("subject", {"subject": "{{ nobody }}"}),
        ("content", {"content": " "}), ("content", {"content": "ä" * 60_000}), ("content", {"content": "{{ name }}" * 201}),
        ("html", {"html": "{{"}), ("topic", {"topic": "*"}), ("topic", {"topic": ""}), ("sender", {"sender": "nobody"}),
        ("sender", {"sender": "a@b\nBcc: c@d"}), ("variables[1].name", {"variables": (Variable(name="x", sample="1"),) * 2}),
        ("variables[0].name", {"variables": (Variable(name="Name", sample="1"),)}),
        ("variables", {"variables": tuple(Variable(name=f"v{n}", sample="1") for n in range(51))}),
    ],
)  # fmt: skip
def test_faults_of_a_template_are_named(field: str, values: dict[str, Any]) -> None:
    """By field."""
    assert field in invalid(**values)


def test_undeclared_placeholder_has_its_place() -> None:
    """In whichever text it stands."""
    assert (
        invalid(content="Dear\n{{ nobody }}")["content"]
        == "line 2, column 1: names nobody, which is not declared"
    )


def test_text_message_is_plain() -> None:
    """No subject, no HTML, and room for 1,600 characters."""
    assert invalid("sms", content="x" * 1601, sender="much too long a name").keys() == {
        "subject",
        "html",
        "content",
        "sender",
    }


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<a href={{ link }}>x</a>", "in quotes"),
        ("<a {{ name }}>x</a>", "in quotes"),
        ('<a href="{{ name }}">x</a>', "type url"),
        ("<a HREF = ' {{name}}'>x</a>", "type url"),
        ("<script>{{ name }}</script>", "script"),
        ("<style>p { color: {{name}} }</style>", "style"),
    ],
)
def test_value_cannot_change_what_html_does(html: str, reason: str) -> None:
    """Escaping alone does not help in these places."""
    variables = (
        Variable(name="name", sample="x"),
        Variable(name="link", type="url", sample="https://example.com"),
    )

    assert reason in invalid(subject="x", content="x", html=html, variables=variables)["html"]


@pytest.mark.parametrize(
    "html",
    [
        '<a href="{{ link }}" title="{{ name }}">{{ name }}</a>',
        '<a href="https://example.com/?n={{ name }}">x</a>',
        "<style>p{a:b}</style><p>{{ name }}</p>",
        "@media{a{b:c}}",
    ],
)
def test_good_html_is_taken(html: str) -> None:
    """Also with braces of its own."""
    variables = (
        Variable(name="name", sample="x"),
        Variable(name="link", type="url", sample="https://example.com"),
    )

    check_template("email", a_text(subject="x", content="x", html=html, variables=variables))


# Versions.


async def published(app: Application, **values: Any) -> Template:
    return await app.store.write(
        lambda t: TEMPLATES.create(t, a_template(**values), WRITER, app.clock.now_us())
    )


async def test_versions_are_kept_as_they_were(app: Application) -> None:
    """A message made of an old one can be read beside it for ever."""
    first = await published(app)
    now_us = app.clock.now_us()
    second = await app.store.write(
        lambda t: TEMPLATES.publish(t, "reminder", a_text(content="New {{name}}"), 1, WRITER, now_us)
    )
    same = await app.store.write(
        lambda t: TEMPLATES.publish(t, "reminder", a_text(content="New {{name}}"), None, WRITER, now_us)
    )

    old = await app.store.read(lambda t: TEMPLATES.find(t, "reminder", 1))
    versions = await app.store.read(lambda t: TEMPLATES.versions(t, "reminder", 1 << 62, 10))

    assert (first.version, second.version, same.version) == (1, 2, 2)
    assert (old.text, old.latest) == (first.text, 2)
    assert [one.version for one in versions] == [2, 1]
    actions = [(row["action"], row["object_id"]) for row in await trail(app)]
    assert actions == [("template.created", "reminder"), ("template.published", "reminder")]


async def test_database_refuses_to_change_a_version(app: Application) -> None:
    """Whoever asks."""
    await published(app)

    for statement in ("UPDATE template_versions SET content = 'x'", "DELETE FROM template_versions"):
        with refused("is never"):
            await app.store.write(lambda t, statement=statement: t.connection.execute(statement))


async def test_stale_unknown_and_double_are_refused(app: Application) -> None:
    """And change nothing."""
    await published(app)

    with pytest.raises(TemplateMoved) as moved:
        await app.store.write(lambda t: TEMPLATES.publish(t, "reminder", a_text(content="x"), 7, WRITER, 0))
    assert moved.value.version == 1
    with pytest.raises(NoSuchTemplate):
        await app.store.write(lambda t: TEMPLATES.publish(t, "nope", a_text(), None, WRITER, 0))
    with pytest.raises(NoSuchTemplate):
        await app.store.read(lambda t: TEMPLATES.find(t, "reminder", 2))
    with pytest.raises(TemplateTaken):
        await published(app)
    with pytest.raises(TemplateInvalid):
        await app.store.write(lambda t: TEMPLATES.publish(t, "reminder", a_text(content="{{"), 1, WRITER, 0))
    assert (await app.store.read(lambda t: TEMPLATES.find(t, "reminder"))).version == 1


async def test_draft_is_made_of_a_template(app: Application) -> None:
    """With its subject, content and HTML, and what it says of topic, policy and health data."""
    await published(app, topic="news", policy="at_least_once", health_data=False)
    draft = a_draft(
        subject=None, content=None, template="reminder", variables={"name": "Bob", "day": "2026-01-31"}
    )

    made = await app.desk.draft(ANNA, draft, filling(TEMPLATES, draft))

    assert (made.subject, made.content, made.html) == (
        "Hello Bob",
        "On 2026-01-31, Bob.",
        "<p>On 2026-01-31, Bob.</p>",
    )
    assert (made.template, made.template_version, made.topic, made.policy) == (
        "reminder",
        1,
        "news",
        "at_least_once",
    )
    assert made.health_data is False


async def test_draft_may_not_say_less_of_health_data(app: Application) -> None:
    """What a template holds to be health data is."""
    await published(app)
    draft = a_draft(
        subject=None,
        content=None,
        template="reminder",
        variables=samples_of(a_text()),
        health_data=False,
        topic="own",
    )

    made = await app.desk.draft(BEN, draft, filling(TEMPLATES, draft))

    assert (made.health_data, made.topic) == (True, "own")


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        ({"template": "nope", "subject": None, "content": None}, {"template"}),
        ({"template": "reminder", "variables": {}}, {"subject", "content"}),
        ({"template": "reminder", "subject": None, "content": None, "channel": "sms"}, {"template"}),
        ({"template": "reminder", "subject": None, "content": None, "variables": {"name": CANARY}}, {"variables.day"}),
        ({"variables": {"name": CANARY}}, {"variables"}),
        ({"template": "old", "subject": None, "content": None}, {"template"}),
    ],
)  # fmt: skip
async def test_draft_that_does_not_fit_its_template_is_refused(
    app: Application, values: dict[str, Any], fields: set[str]
) -> None:
    """Field by field, without a value."""
    await published(app)

    def shelve(transaction: StoreTransaction) -> None:
        fields = msgspec.structs.asdict(a_text())
        TEMPLATES.create(transaction, NewTemplate(template_id="old", channel="email", **fields), WRITER, 1)
        TEMPLATES.archive(transaction, "old", True, WRITER, 2)

    await app.store.write(shelve)
    draft = a_draft(**values)

    with pytest.raises(MessageInvalid) as caught:
        await app.desk.draft(ANNA, draft, filling(TEMPLATES, draft))

    assert problems_of(caught.value).keys() == fields
    assert CANARY not in str(caught.value)
