"""wrangler.jsonc, .json and .toml are read as wrangler reads them, and mistakes in them are told in full."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.queues import ConfigurationError, ConsumerOptions, QueueOptions, jsonc, wrangler

REFERENCE = """
{
  "queues": {
    "producers": [{ "queue": "message-delivery", "binding": "MESSAGE_QUEUE" }],
    "consumers": [
      {
        "queue": "message-delivery",
        "max_batch_size": 10,
        "max_batch_timeout": 30,
        "max_retries": 5,
        "dead_letter_queue": "dlq"
      }
    ]
  }
}
"""


def write(folder: Path, content: Any, name: str = "wrangler.jsonc") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def queues(consumer: dict[str, Any] | None = None, producer: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": "app",
        "queues": {
            "producers": [{"queue": "jobs", "binding": "JOBS", **(producer or {})}],
            "consumers": [{"queue": "jobs", **(consumer or {})}],
        },
    }


def test_reference_configuration_is_read_as_it_stands(tmp_path: Path) -> None:
    """The reference document's file gives its producer and its consumer."""
    config = wrangler.read(write(tmp_path, REFERENCE))

    assert config.producers == {"MESSAGE_QUEUE": "message-delivery"}
    assert config.consumers["message-delivery"] == ConsumerOptions(
        queue="message-delivery", max_batch_size=10, max_batch_timeout=30, max_retries=5, dead_letter_queue="dlq"
    )
    assert config.names() == ("message-delivery", "dlq")


def test_project_file_is_the_reference_configuration(tmp_path: Path) -> None:
    """The wrangler.jsonc at the root of this project says the same."""
    root = Path(__file__).parents[2] / "wrangler.jsonc"

    assert wrangler.read(root).consumers == wrangler.read(write(tmp_path, REFERENCE)).consumers


def test_toml_means_the_same(tmp_path: Path) -> None:
    """[[queues.producers]] and [[queues.consumers]] are the arrays."""
    text = """
name = "app"
[[queues.producers]]
queue = "jobs"
binding = "JOBS"
[[queues.consumers]]
queue = "jobs"
max_concurrency = 3
[triggers]
crons = ["0 3 * * *"]
"""
    config = wrangler.read(write(tmp_path, text, "wrangler.toml"))

    assert config.consumers["jobs"].max_concurrency == 3
    assert config.producers == {"JOBS": "jobs"}
    assert config.crons == ("0 3 * * *",)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("max_batch_size", 0, "1 to 100"),
        ("max_batch_size", 101, "1 to 100"),
        ("max_batch_timeout", 61, "0 to 60"),
        ("max_batch_timeout", -1, "0 to 60"),
        ("max_retries", 101, "0 to 100"),
        ("max_concurrency", 0, "1 to 250"),
        ("max_concurrency", 251, "1 to 250"),
        ("retry_delay", 86_401, "0 to 86,400"),
        ("visibility_timeout_ms", 43_200_001, "43,200,000"),
        ("max_retries", "5", "whole number"),
        ("max_retries", True, "whole number"),
        ("dead_letter_queue", "jobs", "another queue"),
        ("dead_letter_queue", "Dead_Letters", "lower-case letters"),
        ("type", "http_pull", '"worker"'),
    ],
)  # fmt: skip
def test_value_out_of_range_names_file_key_value_and_range(
    tmp_path: Path, key: str, value: object, allowed: str
) -> None:
    """What was wrong, where, and what would be right."""
    path = write(tmp_path, queues({key: value}))

    with pytest.raises(ConfigurationError) as caught:
        wrangler.read(path)

    text = str(caught.value)
    assert str(path) in text
    assert f"queues.consumers[0].{key}" in text
    assert repr(value) in text
    assert allowed in text
    assert (caught.value.key, caught.value.value) == (f"queues.consumers[0].{key}", value)


@pytest.mark.parametrize(
    ("content", "place", "hint"),
    [
        (queues({"max_retry": 1}), "queues.consumers[0].max_retry", "max_retries"),
        (queues(producer={"bindng": "X"}), "queues.producers[0].bindng", "binding"),
        ({"queues": {"producer": []}}, "queues.producer", "producers"),
        ({"triggers": {"cron": []}}, "triggers.cron", "crons"),
    ],
    ids=["consumer", "producer", "queues", "triggers"],
)
def test_unknown_key_is_an_error_with_a_hint(tmp_path: Path, content: object, place: str, hint: str) -> None:
    """A misspelt key is not passed over."""
    with pytest.raises(ConfigurationError, match=rf"did you mean {hint}\?") as caught:
        wrangler.read(write(tmp_path, content))

    assert caught.value.key == place


def test_other_keys_of_the_file_are_wranglers_business(tmp_path: Path) -> None:
    """Bindings and settings of other products are ignored."""
    content = {**queues(), "main": "src/index.ts", "d1_databases": [{"binding": "DB"}]}

    assert wrangler.read(write(tmp_path, content)).producers == {"JOBS": "jobs"}


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """One run is enough to learn what is wrong."""
    with pytest.raises(ConfigurationError) as caught:
        wrangler.read(write(tmp_path, queues({"max_retries": -1, "foo": 1}, {"queue": "No!"})))

    assert len(str(caught.value).splitlines()) == 3


def test_environment_does_not_inherit_queues_but_triggers(tmp_path: Path) -> None:
    """`queues` and `vars` stay at the top level, with a warning; `triggers` come along."""
    content = {**queues(), "vars": {"A": 1}, "triggers": {"crons": ["0 3 * * *"]}, "env": {"staging": {}}}

    config = wrangler.read(write(tmp_path, content), environment="staging")

    assert (config.producers, config.consumers, config.vars) == ({}, {}, {})
    assert config.crons == ("0 3 * * *",)
    assert len(config.warnings) == 2


def test_environment_has_queues_of_its_own(tmp_path: Path) -> None:
    """env.<name>.queues is read, and its mistakes are named with the environment."""
    content = {"env": {"staging": queues({"max_retries": 7})}}
    assert wrangler.read(write(tmp_path, content), environment="staging").consumers["jobs"].max_retries == 7

    content = {"env": {"staging": queues({"max_retries": 700})}}
    with pytest.raises(ConfigurationError) as caught:
        wrangler.read(write(tmp_path, content), environment="staging")

    assert caught.value.key == "env.staging.queues.consumers[0].max_retries"


def test_unknown_environment_lists_the_known_ones(tmp_path: Path) -> None:
    """A misspelt environment does not silently mean the top level."""
    with pytest.raises(ConfigurationError, match="environments: staging, production"):
        wrangler.read(write(tmp_path, {"env": {"staging": {}, "production": {}}}), environment="prod")


def test_producer_without_queue_gets_wranglers_name(tmp_path: Path) -> None:
    """What wrangler provisions is called `<script>-<binding>`."""
    content = {"name": "app", "queues": {"producers": [{"binding": "MAIL_QUEUE"}]}}
    assert wrangler.read(write(tmp_path, content)).producers == {"MAIL_QUEUE": "app-mail-queue"}

    content = {"name": "app", "env": {"dev": {"queues": {"producers": [{"binding": "Q"}]}}}}
    assert wrangler.read(write(tmp_path, content), environment="dev").producers == {"Q": "app-dev-q"}


def test_delivery_delay_is_honoured_and_warned_about(tmp_path: Path) -> None:
    """It has no effect on Cloudflare any more."""
    config = wrangler.read(write(tmp_path, queues(producer={"delivery_delay": 60})))

    assert config.queues == {"jobs": QueueOptions(delivery_delay=60)}
    assert "no effect" in config.warnings[0]


@pytest.mark.parametrize(
    "section",
    [
        {"producers": [{"queue": "a", "binding": "X"}, {"queue": "b", "binding": "X"}]},
        {"consumers": [{"queue": "a"}, {"queue": "a"}]},
        {
            "producers": [
                {"queue": "a", "binding": "X", "delivery_delay": 1},
                {"queue": "a", "binding": "Y", "delivery_delay": 2},
            ]
        },
    ],
    ids=["binding twice", "consumer twice", "two delays"],
)
def test_contradictions_are_refused(tmp_path: Path, section: dict[str, Any]) -> None:
    """A file that says two things is not read as one of them."""
    with pytest.raises(ConfigurationError):
        wrangler.read(write(tmp_path, {"queues": section}))


def test_null_concurrency_means_unset(tmp_path: Path) -> None:
    """max_concurrency: null follows the platform's maximum."""
    assert wrangler.read(write(tmp_path, queues({"max_concurrency": None}))).consumers["jobs"].max_concurrency is None


@pytest.mark.parametrize("content", ["[]", '{"queues": []}', '{"queues": {"consumers": {}}}', '{"vars": 3}', ""])
def test_wrong_shapes_are_refused(tmp_path: Path, content: str) -> None:
    """Nothing but objects and arrays where they belong."""
    with pytest.raises(ConfigurationError):
        wrangler.read(write(tmp_path, content))


def test_missing_file_is_told(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    with pytest.raises(ConfigurationError, match="does not exist"):
        wrangler.read(tmp_path / "wrangler.jsonc")


def test_find_prefers_as_wrangler_does(tmp_path: Path) -> None:
    """wrangler.json before .jsonc before .toml."""
    assert wrangler.find(tmp_path) is None
    for name in ("wrangler.toml", "wrangler.jsonc", "wrangler.json"):
        write(tmp_path, "{}", name)
        assert wrangler.find(tmp_path) == tmp_path / name


def test_syntax_error_names_line_and_column(tmp_path: Path) -> None:
    """Comments before it do not shift the place."""
    with pytest.raises(ConfigurationError, match="line 3, column 9"):
        wrangler.read(write(tmp_path, '{ // one\n  /* two\n */ "a" 1 }'))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1,}', {"a": 1}),
        ("[1, 2, /* x */ ]", [1, 2]),
        ('{"url": "http://x/*y*/", }', {"url": "http://x/*y*/"}),
        ('\ufeff{"a": "\\"//"} // end', {"a": '"//'}),
        ('{"a": [1,\n// c\n],\n}', {"a": [1]}),
    ],
)
def test_jsonc_allows_comments_and_trailing_commas(text: str, value: object) -> None:
    """And leaves strings alone."""
    assert jsonc.loads(text) == value


@pytest.mark.parametrize("text", ["{,}", "[1,,]", "[,1]", "/* open", '{"a" 1}'])
def test_jsonc_refuses_what_wrangler_refuses(text: str) -> None:
    """Only a comma behind a value may trail."""
    with pytest.raises(jsonc.JsoncError):
        jsonc.loads(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(values, st.sampled_from(["// note\n", "/* note, ] } */", " ", "\n"]))
def test_comments_between_tokens_never_change_the_value(value: object, noise: str) -> None:
    """Wherever white space may stand, a comment may stand."""
    text = json.dumps(value, indent=1).replace("\n", f"\n{noise}")

    assert jsonc.loads(f"{noise}{text}{noise}") == value
