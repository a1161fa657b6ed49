"""Reading a project's wrangler file: its queues, crons and variables.

`queues` (producers and consumers), `triggers.crons`, `vars` and the same in `env.<name>` mean what they mean to
wrangler; every other key is wrangler's own business. Unlike wrangler, which only warns, a key that is unknown
or a value out of range is an error: a misspelt `max_retries` should not wait for production to be noticed.
https://developers.cloudflare.com/workers/wrangler/configuration/#queues
"""

import datetime
import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeGuard, TypeVar

from postroom.queues import jsonc
from postroom.queues.errors import ConfigurationError
from postroom.queues.options import ConsumerOptions, QueueOptions, QueuesConfig, check_queue_name

T = TypeVar("T")

FILES: Final = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In wrangler's order of preference."""
SECTIONS: Final = ("producers", "consumers")
PRODUCER_KEYS: Final = ("queue", "binding", "delivery_delay", "remote")
CONSUMER_KEYS: Final = ("type", *ConsumerOptions.__struct_fields__)
TRIGGER_KEYS: Final = ("crons", "events")
SHOWN_CHARS_MAX: Final = 200
"""A value is cut to this many characters in an error's text; its `value` has all of it."""
STAND_IN: Final = "0" * 63
"""A queue's name for checking the other settings of a consumer whose own queue is misnamed."""


def find(folder: str | os.PathLike[str]) -> Path | None:
    """The wrangler file of a folder, or None: wrangler.json before .jsonc before .toml, as wrangler prefers.

    Unlike wrangler it does not look in the folders above.
    https://developers.cloudflare.com/workers/wrangler/configuration/
    """
    return next((path for name in FILES if (path := Path(folder) / name).is_file()), None)


def read(path: str | os.PathLike[str], *, environment: str | None = None) -> QueuesConfig:
    """The queues that a wrangler.json, .jsonc or .toml describes.

    With `environment`, its `env.<environment>` section: `queues` and `vars` are not inherited from the top
    level (a warning says so), `triggers` are. None, or "" as in `wrangler --env ""`, is the top level.
    https://developers.cloudflare.com/workers/wrangler/configuration/#non-inheritable-keys

    Settings have the units and ranges of ConsumerOptions and QueueOptions: delays and `max_batch_timeout` in
    seconds, `visibility_timeout_ms` in milliseconds. `max_concurrency` alone may be null, which leaves it unset.
    https://developers.cloudflare.com/queues/configuration/configure-queues/

    Raises ConfigurationError: the text has every problem on a line of its own, with file, key, value and what
    is allowed; the attributes are those of the first. A file that is missing or is not JSON or TOML is one too.
    """
    source = os.fspath(path)
    whole = _load(Path(path), source)
    section, prefix, name = _choose(whole, environment, source)
    problems = _Problems(source)
    reader = _Reader(problems, prefix, name)
    reader.queues(section.get("queues", {}))
    if section.get("triggers") is not None:
        crons = reader.crons(section["triggers"], f"{prefix}triggers")
    else:
        crons = reader.crons(whole.get("triggers"), "triggers")
    variables = reader.variables(section.get("vars", {}))
    warnings = [
        f'{source}: "{key}" exists at the top level but not in env.{environment}; it is not inherited'
        for key in ("queues", "vars")
        if prefix and key in whole and key not in section
    ]
    problems.report()
    return QueuesConfig(
        producers=reader.producers,
        consumers=reader.consumers,
        queues=reader.options,
        crons=crons,
        vars=variables,
        warnings=(*warnings, *reader.warnings),
        source=source,
        name=name,
    )


def _load(path: Path, source: str) -> Mapping[str, Any]:
    toml = path.suffix == ".toml"

    def refusal(problem: str, allowed: str) -> ConfigurationError:
        text = f"{source}{problem}"
        return ConfigurationError(text, key="config", value=source, allowed=allowed, where=source)

    try:
        text = path.read_text(encoding="utf-8-sig")
        whole = tomllib.loads(text) if toml else jsonc.loads(text)
    except FileNotFoundError:
        raise refusal(
            " does not exist; create it, name another file, or leave `config` out",
            f"the path of a {', '.join(FILES[:-1])} or {FILES[-1]}",
        ) from None
    except OSError as error:
        raise refusal(f" cannot be read: {error.strerror}", "a file that can be read") from error
    except UnicodeDecodeError:
        raise refusal(" is not UTF-8 text", "UTF-8 text") from None
    # tomllib raises a bare ValueError for a number of thousands of digits.
    except (ValueError, RecursionError) as error:
        allowed = "TOML" if toml else "JSON, with comments and trailing commas"
        raise refusal(f": {error}", allowed) from None
    return _mapping(whole, "the file", source)


def _choose(
    whole: Mapping[str, Any], environment: str | None, source: str
) -> tuple[Mapping[str, Any], str, str | None]:
    """The section to read, what its keys start with, and the name that wrangler gives the script."""
    name = whole.get("name")
    top = name if isinstance(name, str) and name else None
    if not environment:
        return whole, "", top
    known = _mapping(whole.get("env", {}), "env", source)
    if environment not in known:
        listed = ", ".join(known) or "none"
        raise ConfigurationError(
            f"{source}: env.{environment} does not exist (environments: {listed})",
            key="env", value=environment, allowed=listed, where=source,
        )  # fmt: skip
    section = _mapping(known[environment], f"env.{environment}", source)
    own = section.get("name")
    if isinstance(own, str) and own:
        return section, f"env.{environment}.", own
    return section, f"env.{environment}.", f"{top}-{environment}" if top else None


class _Problems:
    """Collects what is wrong, so that one run tells it all."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[ConfigurationError] = []

    def add(self, key: str, value: object, allowed: str, *, says: str | None = None) -> None:
        text = f"{self.source}: {key} {says or f'is {_shown(value)}'}; allowed: {allowed}"
        self._found.append(ConfigurationError(text, key=key, value=value, allowed=allowed, where=self.source))

    @contextmanager
    def within(self, place: str, *, says: str | None = None) -> Iterator[None]:
        """Take what the options' own checks raise, with the full name of the key."""
        try:
            yield
        except ConfigurationError as error:
            self.add(f"{place}.{error.key}", error.value, error.allowed or "", says=says)

    def report(self) -> None:
        if self._found:
            first = self._found[0]
            text = "\n".join(str(problem) for problem in self._found)
            raise ConfigurationError(
                text, key=first.key, value=first.value, allowed=first.allowed, where=self.source
            )


class _Reader:
    """Reads one section: the top level or one environment."""

    def __init__(self, problems: _Problems, prefix: str, name: str | None) -> None:
        self.producers: dict[str, str] = {}
        self.consumers: dict[str, ConsumerOptions] = {}
        self.options: dict[str, QueueOptions] = {}
        self.warnings: list[str] = []
        self._problems = problems
        self._prefix = prefix
        self._name = name

    def queues(self, given: object) -> None:
        """`queues`."""
        place = f"{self._prefix}queues"
        if not self._is(given, dict, place, "an object"):
            return
        self._check_keys(given, SECTIONS, place)
        for kind, take in (("producers", self._producer), ("consumers", self._consumer)):
            entries = given.get(kind, [])
            if self._is(entries, list, f"{place}.{kind}", "an array"):
                for index, entry in enumerate(entries):
                    where = f"{place}.{kind}[{index}]"
                    if self._is(entry, dict, where, "an object"):
                        take(entry, where)

    def crons(self, given: object, place: str) -> tuple[str, ...]:
        """`triggers.crons`."""
        given = {} if given is None else given
        if not self._is(given, dict, place, "an object"):
            return ()
        self._check_keys(given, TRIGGER_KEYS, place)
        if "events" in given:
            self._warn(f"{place}.events is left to wrangler: Postroom has no event subscriptions")
        crons = given.get("crons", [])
        if not self._is(crons, list, f"{place}.crons", "an array of cron expressions"):
            return ()
        return tuple(
            cron
            for index, cron in enumerate(crons)
            if self._is(cron, str, f"{place}.crons[{index}]", "a cron expression")
        )

    def variables(self, given: object) -> Mapping[str, Any]:
        """`vars`."""
        place = f"{self._prefix}vars"
        if not self._is(given, dict, place, "an object"):
            return {}
        for name, value in given.items():
            if isinstance(value, datetime.date | datetime.time):
                self._problems.add(f"{place}.{name}", value, "any JSON; a date is written as a string")
        return given

    def _producer(self, entry: Mapping[str, Any], place: str) -> None:
        self._check_keys(entry, PRODUCER_KEYS, place)
        binding = entry.get("binding")
        if not isinstance(binding, str) or not binding:
            says = None if "binding" in entry else "is missing"
            self._problems.add(f"{place}.binding", binding, "a name such as MESSAGE_QUEUE", says=says)
            binding = None
        elif binding in self.producers:
            self._problems.add(f"{place}.binding", binding, "a binding that no other producer has")
        queue = self._queue_of(entry, binding, place)
        if binding is not None:
            # Also where the queue is wrong, so that a second producer of this name is told of too.
            self.producers[binding] = queue or ""
        if "delivery_delay" in entry:
            self._delay(queue, entry["delivery_delay"], place)
        if "remote" in entry:
            self._is(entry["remote"], bool, f"{place}.remote", "true or false")

    def _queue_of(self, entry: Mapping[str, Any], binding: str | None, place: str) -> str | None:
        if "queue" in entry:
            with self._problems.within(place):
                check_queue_name(entry["queue"])
                return str(entry["queue"])
        elif self._name is None:
            says = 'is missing, and the file has no "name" to make one of'
            self._problems.add(f"{place}.queue", None, "the name of a queue", says=says)
        elif binding is not None:
            # What wrangler calls a queue that it provisions itself.
            queue = f"{self._name}-{binding.lower().replace('_', '-')}"
            with self._problems.within(place, says=f"is missing and by default {queue!r}"):
                check_queue_name(queue)
                return queue
        return None

    def _delay(self, queue: str | None, delay: Any, place: str) -> None:
        self._warn(
            f"{place}.delivery_delay is deprecated: it has no effect on Cloudflare since 2024, although Postroom "
            "honours it; set it on the queue with `wrangler queues update`"
        )
        with self._problems.within(place):
            options = QueueOptions(delivery_delay=delay)
            if queue is not None and self.options.setdefault(queue, options) != options:
                allowed = f"{self.options[queue].delivery_delay}, as another producer of {queue!r} says"
                self._problems.add(f"{place}.delivery_delay", delay, allowed)

    def _consumer(self, entry: Mapping[str, Any], place: str) -> None:
        self._check_keys(entry, CONSUMER_KEYS, place)
        if entry.get("type", "worker") != "worker":
            allowed = '"worker", the only kind in a wrangler file; to pull, leave the consumer out'
            self._problems.add(f"{place}.type", entry["type"], allowed)
        queue = None
        with self._problems.within(place, says=None if "queue" in entry else "is missing"):
            check_queue_name(entry.get("queue"))
            queue = str(entry["queue"])
        settings: dict[str, Any] = {}
        for key in ConsumerOptions.__struct_fields__:
            # wrangler's types, though not its validator, allow null for max_concurrency; for nothing else.
            if key == "queue" or key not in entry or (key == "max_concurrency" and entry[key] is None):
                continue
            with self._problems.within(place):
                if key == "dead_letter_queue":
                    check_queue_name(entry[key], key)
                ConsumerOptions(**{"queue": queue or STAND_IN, key: entry[key]})
                settings[key] = entry[key]
        if queue is not None:
            if queue in self.consumers:
                self._problems.add(f"{place}.queue", queue, "a queue that has no other consumer")
            self.consumers[queue] = ConsumerOptions(queue=queue, **settings)

    def _check_keys(self, given: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                says = f"is {_shown(given[key])}, but is not a known key{hint}"
                self._problems.add(f"{place}.{key}", given[key], f"one of {', '.join(known)}", says=says)

    def _is(self, value: object, kind: type[T], key: str, allowed: str) -> TypeGuard[T]:
        if isinstance(value, kind):
            return True
        self._problems.add(key, value, allowed)
        return False

    def _warn(self, text: str) -> None:
        self.warnings.append(f"{self._problems.source}: {text}")


def _mapping(value: object, key: str, source: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigurationError.out_of_range(key, value, "an object", source)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[: SHOWN_CHARS_MAX - 1]}…"
