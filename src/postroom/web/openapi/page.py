"""The API on one page, made from the OpenAPI document: no script, and nothing from another server.

Litestar's own pages load their scripts from public networks, which a service with health data does not do.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

import msgspec

from postroom.web.openapi.job_schemas import PREFIX

STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886 }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem }
summary { cursor: pointer } summary b { display: inline-block; width: 3.5rem }
summary span { opacity: .75; margin-left: .8rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-top: 1px solid #8883 }
code, pre { font-family: ui-monospace, monospace; font-size: .9em }
pre { overflow-x: auto; padding: .6rem; border-radius: .4rem; background: #8882 }
"""
_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY_VALUE: Final = f"default-src 'none'; style-src 'sha256-{_HASH}'; frame-ancestors 'none'"

_LIMITS: Final = (
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "default",
)

Schema = Mapping[str, Any]


def render(document: Schema) -> bytes:
    """The page of a document."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            group = (operation.get("tags") or ["other"])[0]
            groups.setdefault(group, []).append(_operation(document, method, path, operation))
    body = "".join(f"<h2>{escape(group)}</h2>{''.join(parts)}" for group, parts in groups.items())
    jobs = "".join(
        f"<details><summary><code>{escape(name)}</code></summary>{_table(document, {'$ref': reference})}</details>"
        for name, reference in document["components"]["schemas"]["Job"]["discriminator"]["mapping"].items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p><a href="/schema/openapi.json">openapi.json</a></p><h2>job types</h2>{jobs}{body}</body></html>'
    ).encode()


def _operation(document: Schema, method: str, path: str, operation: Schema) -> str:
    parts = [f"<p>{escape(operation.get('description', ''))}</p>"]
    if parameters := operation.get("parameters"):
        rows = [
            (one["name"], {**one["schema"], "description": one.get("description", "")}) for one in parameters
        ]
        required = {one["name"] for one in parameters if one.get("required")}
        parts.append(f"<h4>Parameters</h4>{_rows(document, rows, required)}")
    if body := operation.get("requestBody"):
        schema = body["content"]["application/json"]["schema"]
        parts.append(f"<h4>Body</h4>{_table(document, schema)}{_example(document, method, path, schema)}")
    answers = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in sorted(operation["responses"].items())
    )
    parts.append(f"<h4>Answers</h4><table>{answers}</table>")
    return (
        f"<details><summary><b>{escape(method.upper())}</b><code>{escape(path)}</code>"
        f"<span>{escape(operation.get('summary', ''))}</span></summary>{''.join(parts)}</details>"
    )


def _table(document: Schema, schema: Schema) -> str:
    found = _resolve(document, schema)
    if "oneOf" in found:
        return "<p>One of the job types above, with <code>type</code> naming which.</p>"
    return _rows(document, list(found.get("properties", {}).items()), set(found.get("required", ())))


def _rows(document: Schema, fields: Sequence[tuple[str, Schema]], required: set[str]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if name in required else ''}</td><td>{_kind(document, schema)}</td>"
        f"<td>{escape(schema.get('description', ''))}</td></tr>"
        for name, schema in fields
    )
    return f"<table><tr><th>Name (* required)</th><th>Kind</th><th></th></tr>{rows}</table>"


def _kind(document: Schema, schema: Schema) -> str:
    found = _resolve(document, schema)
    kinds = found.get("type", "")
    words = [" or ".join(kinds) if isinstance(kinds, list) else kinds]
    if "const" in found:
        words = [f'"{found["const"]}"']
    if "enum" in found:
        words = [", ".join(map(str, found["enum"]))]
    if alternatives := found.get("anyOf") or found.get("oneOf"):
        words = [" or ".join(str(_resolve(document, one).get("type", "object")) for one in alternatives)]
    words += [f"{name} {found[name]}" for name in _LIMITS if name in found]
    return escape("; ".join(filter(None, words)))


def _example(document: Schema, method: str, path: str, schema: Schema) -> str:
    found = _resolve(document, schema)
    first = _resolve(document, found["oneOf"][0]) if "oneOf" in found else found
    options = found.get("oneOf", ())
    examples = [example for one in options for example in _resolve(document, one).get("examples", ())]
    example = next(
        (one for one in examples if one.get("type") == "email_send"), (first.get("examples") or [{}])[0]
    )
    text = msgspec.json.encode(example).decode()
    return (
        f"<pre>curl -X {escape(method.upper())} http://localhost:5173{escape(path)} -d '{escape(text)}'</pre>"
    )


def _resolve(document: Schema, schema: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Schema = document["components"]["schemas"][reference.removeprefix(PREFIX)]
    return found
