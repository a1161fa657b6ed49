"""wrangler.jsonc, .json and .toml are read as wrangler reads them, and mistakes in them are told in full.

Promised in `postroom.queues.wrangler`; the rules are wrangler's, from its configuration page.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from postroom.queues import ConfigurationError, ConsumerOptions, QueueOptions, QueuesConfig, wrangler

# As it stands in the reference document, to the letter.
REFERENCE = """{
  "queues": {
    "producers": [
      {
        "queue": "message-delivery",
        "binding": "MESSAGE_QUEUE"
      }
    ],
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

TOML = """
name = "app"
vars = { LEVEL = "debug" }
[[queues.producers]]
queue = "jobs"
binding = "JOBS"
[[queues.consumers]]
queue = "jobs"
max_concurrency = 3
[triggers]
crons = ["0 3 * * *"]
[[env.staging.queues.consumers]]
queue = "jobs-staging"
"""


def write(folder: Path, content: Any, name: str = "wrangler.jsonc") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def queues(consumer: dict[str, Any] | None = None, producer: dict[str, Any] | None = None) -> dict[str, Any]:
    """A file with one producer and one consumer of one queue, with these settings besides."""
    return {
        "name": "app",
        "queues": {
            "producers": [{"queue": "jobs", "binding": "JOBS", **(producer or {})}],
            "consumers": [{"queue": "jobs", **(consumer or {})}],
        },
    }


def read(folder: Path, content: Any, environment: str | None = None) -> QueuesConfig:
    return wrangler.read(write(folder, content), environment=environment)


def refusal(folder: Path, content: Any, environment: str | None = None) -> ConfigurationError:
    """The error that reading the file raises."""
    with pytest.raises(ConfigurationError) as caught:
        read(folder, content, environment)
    return caught.value


# What is read


def test_reference_configuration_is_read_as_it_stands(tmp_path: Path) -> None:
    """The reference document's file gives its producer, its consumer and both queues."""
    config = read(tmp_path, REFERENCE)

    assert config.producers == {"MESSAGE_QUEUE": "message-delivery"}
    assert config.consumers["message-delivery"] == ConsumerOptions(
        queue="message-delivery",
        max_batch_size=10,
        max_batch_timeout=30,
        max_retries=5,
        dead_letter_queue="dlq",
    )
    assert config.names() == ("message-delivery", "dlq")


def test_project_file_is_the_reference_configuration(tmp_path: Path) -> None:
    """The wrangler.jsonc at the root of this project says the same."""
    project, reference = (
        wrangler.read(Path(__file__).parents[2] / "wrangler.jsonc"),
        read(tmp_path, REFERENCE),
    )

    assert (project.producers, project.consumers) == (reference.producers, reference.consumers)


def test_toml_means_the_same(tmp_path: Path) -> None:
    """[[queues.producers]] and [[queues.consumers]] are the arrays."""
    config = wrangler.read(write(tmp_path, TOML, "wrangler.toml"))

    assert config.consumers == {"jobs": ConsumerOptions(queue="jobs", max_concurrency=3)}
    assert config.producers == {"JOBS": "jobs"}
    assert config.crons == ("0 3 * * *",)
    assert config.vars == {"LEVEL": "debug"}


def test_toml_has_environments(tmp_path: Path) -> None:
    """[[env.staging.queues.consumers]] is the array of that environment."""
    config = wrangler.read(write(tmp_path, TOML, "wrangler.toml"), environment="staging")

    assert list(config.consumers) == ["jobs-staging"]


@pytest.mark.parametrize("name", ["wrangler.json", "wrangler.jsonc"])
def test_both_json_names_allow_comments(tmp_path: Path, name: str) -> None:
    """Wrangler reads them with the same parser."""
    path = write(tmp_path, '{ // note\n "queues": {"consumers": [{"queue": "jobs",},]},}', name)

    assert list(wrangler.read(path).consumers) == ["jobs"]


@pytest.mark.parametrize(
    ("name", "text"), [("wrangler.jsonc", REFERENCE), ("wrangler.toml", TOML)], ids=["json", "toml"]
)
def test_byte_order_mark_is_passed_over(tmp_path: Path, name: str, text: str) -> None:
    """Some editors on Windows write one."""
    plain = wrangler.read(write(tmp_path, text, name))

    marked = wrangler.read(write(tmp_path, f"\ufeff{text}", name))

    assert marked == plain


def test_other_keys_of_the_file_are_wranglers_business(tmp_path: Path) -> None:
    """Bindings and settings of other products are ignored."""
    content = {
        **queues(),
        "main": "src/index.ts",
        "d1_databases": [{"binding": "DB"}],
        "compatibility_date": 3,
    }

    assert read(tmp_path, content).producers == {"JOBS": "jobs"}


def test_file_without_queues_has_none(tmp_path: Path) -> None:
    """A Worker need not use queues."""
    assert read(tmp_path, {"name": "app"}).names() == ()


def test_source_is_the_path_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that texts name the file in the reader's words."""
    write(tmp_path, queues())
    monkeypatch.chdir(tmp_path)

    assert wrangler.read("wrangler.jsonc").source == "wrangler.jsonc"


def test_variables_are_taken_as_they_stand(tmp_path: Path) -> None:
    """`vars` holds any JSON."""
    given = {"A": 1, "B": {"c": [True, None]}, "C": "x"}

    assert read(tmp_path, {"vars": given}).vars == given


# Values and their ranges


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_batch_size", 1),
        ("max_batch_size", 100),
        ("max_batch_timeout", 0),
        ("max_batch_timeout", 60),
        ("max_batch_timeout", 0.25),
        ("max_retries", 0),
        ("max_retries", 100),
        ("max_concurrency", 1),
        ("max_concurrency", 250),
        ("max_concurrency", None),
        ("retry_delay", 0),
        ("retry_delay", 86_400),
        ("visibility_timeout_ms", 1),
        ("visibility_timeout_ms", 43_200_000),
        ("dead_letter_queue", "dlq"),
    ],
    ids=lambda part: str(part),
)
def test_value_in_range_is_taken(tmp_path: Path, key: str, value: object) -> None:
    """Both ends of a range belong to it."""
    assert getattr(read(tmp_path, queues({key: value})).consumers["jobs"], key) == value


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("max_batch_size", 0, "1 to 100"),
        ("max_batch_size", 101, "1 to 100"),
        ("max_batch_size", 2.5, "whole number"),
        ("max_batch_size", None, "1 to 100"),
        ("max_batch_timeout", 60.5, "0 to 60"),
        ("max_batch_timeout", -1, "0 to 60"),
        ("max_retries", -1, "0 to 100"),
        ("max_retries", 101, "0 to 100"),
        ("max_retries", "5", "whole number"),
        ("max_retries", True, "whole number"),
        ("max_concurrency", 0, "1 to 250"),
        ("max_concurrency", 251, "1 to 250"),
        ("retry_delay", -1, "0 to 86,400"),
        ("retry_delay", 86_401, "0 to 86,400"),
        ("visibility_timeout_ms", 0, "1 to 43,200,000"),
        ("visibility_timeout_ms", 43_200_001, "1 to 43,200,000"),
        ("dead_letter_queue", "jobs", "another queue"),
        ("dead_letter_queue", "Dead_Letters", "lower-case letters"),
        ("dead_letter_queue", None, "lower-case letters"),
        ("queue", "-jobs", "lower-case letters"),
        ("queue", "j" * 64, "1 to 63"),
        ("queue", 5, "1 to 63"),
        ("type", "http_pull", '"worker"'),
        ("type", None, '"worker"'),
    ],
    ids=lambda part: str(part),
)
def test_value_out_of_range_names_file_key_value_and_range(
    tmp_path: Path, key: str, value: object, allowed: str
) -> None:
    """What was wrong, where, and what would be right: in the text and as attributes."""
    error = refusal(tmp_path, queues({key: value}))

    file, place = str(tmp_path / "wrangler.jsonc"), f"queues.consumers[0].{key}"
    assert str(error) == f"{file}: {place} is {value!r}; allowed: {error.allowed}"
    assert (error.where, error.key, error.value) == (file, place, value)
    assert allowed in str(error.allowed)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("binding", "", "MESSAGE_QUEUE"),
        ("binding", 7, "MESSAGE_QUEUE"),
        ("queue", "", "1 to 63"),
        ("queue", None, "1 to 63"),
        ("queue", "No!", "1 to 63"),
        ("delivery_delay", -1, "0 to 86,400"),
        ("delivery_delay", 86_401, "0 to 86,400"),
        ("delivery_delay", None, "0 to 86,400"),
        ("remote", "yes", "true or false"),
    ],
    ids=lambda part: str(part),
)
def test_producer_out_of_range_is_named_alike(tmp_path: Path, key: str, value: object, allowed: str) -> None:
    """A producer's mistakes have the producer's place."""
    error = refusal(tmp_path, queues(producer={key: value}))

    assert (error.key, error.value) == (f"queues.producers[0].{key}", value)
    assert allowed in str(error.allowed)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"queues": {"consumers": [{}]}}, "queues.consumers[0].queue"),
        ({"queues": {"producers": [{"queue": "jobs"}]}}, "queues.producers[0].binding"),
    ],
    ids=["consumer without queue", "producer without binding"],
)
def test_required_key_that_is_missing_is_called_missing(tmp_path: Path, content: object, place: str) -> None:
    """Not `None`, which the file does not say."""
    error = refusal(tmp_path, content)

    assert f"{place} is missing" in str(error)
    assert error.key == place


def test_long_value_is_cut_in_the_text_alone(tmp_path: Path) -> None:
    """A misplaced document does not fill the screen; the attribute has all of it."""
    value = "x" * 10_000

    error = refusal(tmp_path, queues({"max_retries": value}))

    assert len(str(error)) < 1_000
    assert error.value == value


# Keys


@pytest.mark.parametrize(
    ("content", "place", "value", "known", "hint"),
    [
        (queues({"max_retry": 1}), "queues.consumers[0].max_retry", 1, "max_batch_timeout", "max_retries"),
        (queues({"batchSize": 1}), "queues.consumers[0].batchSize", 1, "max_concurrency", "max_batch_size"),
        (queues(producer={"bindng": "X"}), "queues.producers[0].bindng", "X", "delivery_delay", "binding"),
        ({"queues": {"producer": []}}, "queues.producer", [], "consumers", "producers"),
        ({"triggers": {"cron": "x"}}, "triggers.cron", "x", "crons", "crons"),
    ],
    ids=["consumer", "camel case", "producer", "queues", "triggers"],
)
def test_unknown_key_is_an_error_with_a_hint(
    tmp_path: Path, content: object, place: str, value: object, known: str, hint: str
) -> None:
    """A misspelt key is not passed over; what was meant and what is known are listed."""
    error = refusal(tmp_path, content)

    assert f"{place} is {value!r}, but is not a known key (did you mean {hint}?)" in str(error)
    assert (error.key, error.value, error.where) == (place, value, str(tmp_path / "wrangler.jsonc"))
    assert known in str(error.allowed)


def test_unknown_key_like_no_other_has_no_hint(tmp_path: Path) -> None:
    """A guess that is far off would mislead."""
    assert "did you mean" not in str(refusal(tmp_path, queues({"zzz": 1})))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("[]", "the file"),
        ('{"queues": []}', "queues"),
        ('{"queues": null}', "queues"),
        ('{"queues": {"consumers": {}}}', "queues.consumers"),
        ('{"queues": {"consumers": ["jobs"]}}', "queues.consumers[0]"),
        ('{"queues": {"producers": {"JOBS": "jobs"}}}', "queues.producers"),
        ('{"queues": {"producers": ["jobs"]}}', "queues.producers[0]"),
        ('{"triggers": []}', "triggers"),
        ('{"triggers": {"crons": "0 3 * * *"}}', "triggers.crons"),
        ('{"triggers": {"crons": false}}', "triggers.crons"),
        ('{"triggers": {"crons": [3]}}', "triggers.crons[0]"),
        ('{"vars": 3}', "vars"),
    ],
    ids=lambda part: part,
)
def test_wrong_shapes_are_refused(tmp_path: Path, content: str, key: str) -> None:
    """Objects, arrays and strings where wrangler wants them; producers are neither a map nor strings."""
    assert refusal(tmp_path, content).key == key


def test_events_are_left_to_wrangler(tmp_path: Path) -> None:
    """`triggers.events` is a key of wrangler's for which Postroom has no use: a warning, not an error."""
    config = read(tmp_path, {"triggers": {"crons": ["0 3 * * *"], "events": []}})

    assert config.crons == ("0 3 * * *",)
    assert "triggers.events" in config.warnings[0]


def test_date_of_toml_is_no_variable(tmp_path: Path) -> None:
    """`vars` holds JSON, which has no dates; wrangler refuses them too."""
    with pytest.raises(ConfigurationError) as caught:
        wrangler.read(write(tmp_path, "[vars]\nSINCE = 2026-01-05", "wrangler.toml"))

    assert caught.value.key == "vars.SINCE"


# Several problems


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """One run is enough to learn what is wrong, a line each; the attributes are those of the first."""
    content = {
        **queues({"max_retries": -1, "retry_delay": -2, "foo": 1}, {"queue": "No!", "delivery_delay": -3}),
        "triggers": {"crons": 4},
        "vars": 5,
    }

    error = refusal(tmp_path, content)

    keys = [line.removeprefix(f"{error.where}: ").split(" ")[0] for line in str(error).splitlines()]
    assert keys == [
        "queues.producers[0].queue", "queues.producers[0].delivery_delay", "queues.consumers[0].foo",
        "queues.consumers[0].max_retries", "queues.consumers[0].retry_delay", "triggers.crons", "vars",
    ]  # fmt: skip
    assert (error.key, error.value) == (keys[0], "No!")


def test_misnamed_queue_does_not_hide_the_rest(tmp_path: Path) -> None:
    """The other settings of a consumer are checked although its queue is wrong."""
    assert len(str(refusal(tmp_path, queues({"queue": "No!", "max_retries": -1}))).splitlines()) == 2


@pytest.mark.parametrize(
    ("section", "key"),
    [
        (
            {"producers": [{"queue": "a", "binding": "X"}, {"queue": "b", "binding": "X"}]},
            "queues.producers[1].binding",
        ),
        (
            {"producers": [{"queue": "a", "binding": "X"}, {"queue": "a", "binding": "X"}]},
            "queues.producers[1].binding",
        ),
        ({"consumers": [{"queue": "a"}, {"queue": "a"}]}, "queues.consumers[1].queue"),
        (
            {
                "producers": [
                    {"queue": "a", "binding": "X", "delivery_delay": 0},
                    {"queue": "a", "binding": "Y", "delivery_delay": 2},
                ]
            },
            "queues.producers[1].delivery_delay",
        ),
    ],
    ids=["binding of two queues", "binding twice", "consumer twice", "two delays"],
)
def test_contradictions_are_refused(tmp_path: Path, section: dict[str, Any], key: str) -> None:
    """A file that says two things is not read as one of them."""
    assert refusal(tmp_path, {"queues": section}).key == key


# Environments


def test_environment_does_not_inherit_queues_and_variables(tmp_path: Path) -> None:
    """It has none, with a warning for each."""
    config = read(tmp_path, {**queues(), "vars": {"A": 1}, "env": {"staging": {}}}, "staging")

    assert (config.producers, config.consumers, config.vars) == ({}, {}, {})
    assert [warning.split('"')[1] for warning in config.warnings] == ["queues", "vars"]
    assert all("env.staging" in warning for warning in config.warnings)


def test_environment_with_its_own_is_not_warned_about(tmp_path: Path) -> None:
    """What stands in the environment is what is meant."""
    content = {**queues(), "vars": {"A": 1}, "env": {"staging": {"queues": {}, "vars": {}}}}

    assert read(tmp_path, content, "staging").warnings == ()


@pytest.mark.parametrize("section", [{}, {"triggers": None}], ids=["absent", "null"])
def test_environment_inherits_triggers(tmp_path: Path, section: dict[str, Any]) -> None:
    """Unlike `queues`."""
    content = {"triggers": {"crons": ["0 3 * * *"]}, "env": {"staging": section}}

    assert read(tmp_path, content, "staging").crons == ("0 3 * * *",)


def test_environment_has_triggers_of_its_own(tmp_path: Path) -> None:
    """They replace those of the top level, also by none."""
    content = {"triggers": {"crons": ["0 3 * * *"]}, "env": {"staging": {"triggers": {"crons": []}}}}

    assert read(tmp_path, content, "staging").crons == ()


def test_inherited_mistake_is_named_where_it_stands(tmp_path: Path) -> None:
    """Not in the environment, which does not have it."""
    content = {"triggers": {"crons": [3]}, "env": {"staging": {}}}

    assert refusal(tmp_path, content, "staging").key == "triggers.crons[0]"


def test_environment_has_queues_of_its_own(tmp_path: Path) -> None:
    """env.<name>.queues is read instead of the top level's."""
    content = {**queues({"max_retries": 1}), "env": {"staging": queues({"max_retries": 7})}}

    assert read(tmp_path, content, "staging").consumers["jobs"].max_retries == 7


def test_mistake_in_an_environment_has_its_name(tmp_path: Path) -> None:
    """The full path of the key starts with env.<name>."""
    content = {"env": {"staging": queues({"max_retries": 700})}}

    assert refusal(tmp_path, content, "staging").key == "env.staging.queues.consumers[0].max_retries"


@pytest.mark.parametrize("environment", [None, ""])
def test_top_level_is_read_without_an_environment(tmp_path: Path, environment: str | None) -> None:
    """Also for `--env ""`, which is wrangler's way to say so."""
    content = {**queues(), "env": {"staging": {}}}

    assert read(tmp_path, content, environment).producers == {"JOBS": "jobs"}


@pytest.mark.parametrize(
    ("content", "listed"),
    [({"env": {"staging": {}, "production": {}}}, "staging, production"), ({}, "none")],
    ids=["others", "none"],
)
def test_unknown_environment_lists_the_known_ones(tmp_path: Path, content: object, listed: str) -> None:
    """A misspelt environment does not silently mean the top level."""
    error = refusal(tmp_path, content, "prod")

    assert f"env.prod does not exist (environments: {listed})" in str(error)
    assert (error.key, error.value, error.allowed) == ("env", "prod", listed)


@pytest.mark.parametrize(
    ("env", "key"), [(3, "env"), ({"staging": []}, "env.staging")], ids=["environments", "environment"]
)
def test_environment_of_the_wrong_shape_is_refused(tmp_path: Path, env: object, key: str) -> None:
    """Environments are objects in an object."""
    assert refusal(tmp_path, {"env": env}, "staging").key == key


# Names that wrangler makes


@pytest.mark.parametrize(
    ("environment", "section", "queue"),
    [
        (None, {}, "app-mail-queue"),
        ("dev", {}, "app-dev-mail-queue"),
        ("dev", {"name": "other"}, "other-mail-queue"),
    ],
    ids=["top level", "environment", "environment with a name"],
)
def test_producer_without_queue_gets_wranglers_name(
    tmp_path: Path, environment: str | None, section: dict[str, Any], queue: str
) -> None:
    """What wrangler provisions is called `<script>-<binding>`."""
    producers = {"producers": [{"binding": "MAIL_QUEUE"}]}
    content = {"name": "app", "queues": producers, "env": {"dev": {**section, "queues": producers}}}

    assert read(tmp_path, content, environment).producers == {"MAIL_QUEUE": queue}


def test_producer_without_queue_needs_a_name_of_the_script(tmp_path: Path) -> None:
    """Without one there is nothing to make a queue's name of."""
    error = refusal(tmp_path, {"queues": {"producers": [{"binding": "Q"}]}})

    assert 'the file has no "name"' in str(error)
    assert error.key == "queues.producers[0].queue"


def test_made_name_that_no_queue_can_have_is_told(tmp_path: Path) -> None:
    """With the name that came out, for the file does not have it."""
    error = refusal(tmp_path, {"name": "My_App", "queues": {"producers": [{"binding": "Q"}]}})

    assert "queues.producers[0].queue is missing and by default 'My_App-q'" in str(error)


# A producer's delay


@pytest.mark.parametrize("delay", [0, 60, 86_400])
def test_delivery_delay_is_honoured(tmp_path: Path, delay: int) -> None:
    """It becomes the queue's."""
    assert read(tmp_path, queues(producer={"delivery_delay": delay})).queues == {
        "jobs": QueueOptions(delivery_delay=delay)
    }


def test_delivery_delay_is_warned_about(tmp_path: Path) -> None:
    """It has no effect on Cloudflare any more."""
    (warning,) = read(tmp_path, queues(producer={"delivery_delay": 60})).warnings

    assert "queues.producers[0].delivery_delay is deprecated" in warning


def test_producers_of_one_queue_may_agree_on_its_delay(tmp_path: Path) -> None:
    """Only another delay is a contradiction; none is no opinion."""
    producers = [
        {"queue": "a", "binding": "X"},
        {"queue": "a", "binding": "Y", "delivery_delay": 5},
        {"queue": "a", "binding": "Z", "delivery_delay": 5},
    ]

    assert read(tmp_path, {"queues": {"producers": producers}}).queues == {
        "a": QueueOptions(delivery_delay=5)
    }


# Files


def test_missing_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    """A path that leads nowhere is named."""
    path = tmp_path / "wrangler.jsonc"

    with pytest.raises(ConfigurationError, match="does not exist; create it, name another file") as caught:
        wrangler.read(path)

    error = caught.value
    assert (error.key, error.value, error.where) == ("config", str(path), str(path))
    assert "wrangler.toml" in str(error.allowed)


def test_folder_is_no_file(tmp_path: Path) -> None:
    """What the system says is passed on."""
    with pytest.raises(ConfigurationError, match="cannot be read"):
        wrangler.read(tmp_path)


def test_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    """UTF-16, as PowerShell's redirection writes it, is not guessed at."""
    path = tmp_path / "wrangler.jsonc"
    path.write_text("{}", encoding="utf-16")

    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        wrangler.read(path)


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("wrangler.jsonc", '{ // one\n  /* two\n */ "a" 1 }', "line 3, column 9"),
        ("wrangler.jsonc", '{\r\n  "a" 1 }', "line 2, column 7"),
        ("wrangler.json", "", "line 1, column 1"),
        ("wrangler.toml", "a = 1\nb 2", "line 2, column 3"),
    ],
    ids=["comments", "carriage returns", "empty", "toml"],
)
def test_syntax_error_names_file_line_and_column(tmp_path: Path, name: str, text: str, place: str) -> None:
    """And what the file should have been."""
    path = write(tmp_path, text, name)

    with pytest.raises(ConfigurationError, match=place) as caught:
        wrangler.read(path)

    error = caught.value
    assert str(error).startswith(f"{path}: ")
    assert (error.key, error.value, error.where) == ("config", str(path), str(path))
    assert error.allowed


@pytest.mark.parametrize("text", [f"a = {'1' * 5_000}", f"a = {'[' * 5_000}"], ids=["number", "depth"])
def test_toml_that_python_gives_up_on_is_refused(tmp_path: Path, text: str) -> None:
    """Its parser raises other errors than its own for these."""
    with pytest.raises(ConfigurationError):
        wrangler.read(write(tmp_path, text, "wrangler.toml"))


def test_find_prefers_as_wrangler_does(tmp_path: Path) -> None:
    """wrangler.json before .jsonc before .toml."""
    found = []
    for name in ("wrangler.toml", "wrangler.jsonc", "wrangler.json"):
        write(tmp_path, "{}", name)
        found.append(wrangler.find(tmp_path))

    assert found == [tmp_path / name for name in ("wrangler.toml", "wrangler.jsonc", "wrangler.json")]


def test_find_finds_nothing_where_there_is_nothing(tmp_path: Path) -> None:
    """A folder of that name is nothing."""
    (tmp_path / "wrangler.json").mkdir()

    assert wrangler.find(tmp_path) is None
