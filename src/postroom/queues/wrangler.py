"""Reading a project's wrangler file: its queues, crons and variables.

`queues` (producers and consumers), `triggers.crons`, `vars` and the same in `env.<name>` mean what they mean to
wrangler; every other key is wrangler's own business. Unlike wrangler, which only warns, a key that is unknown
or a value out of range is an error: a misspelt `max_retries` should not wait for production to be noticed.
https://developers.cloudflare.com/workers/wrangler/configuration/#queues
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar

from postroom.queues import jsonc
from postroom.queues.errors import ConfigurationError
from postroom.queues.options import ConsumerOptions, QueueOptions, QueuesConfig, check_queue_name

T = TypeVar("T")

FILES: Final = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In wrangler's order of preference."""
SECTIONS: Final = ("producers", "consumers")
PRODUCER_KEYS: Final = ("queue", "binding", "delivery_delay", "remote")
CONSUMER_KEYS: Final = ("type", *ConsumerOptions.__struct_fields__)
TRIGGER_KEYS: Final = ("crons",)


def find(folder: str | os.PathLike[str]) -> Path | None:
    """The wrangler file of a folder, or None."""
    return next((path for name in FILES if (path := Path(folder) / name).is_file()), None)


def read(path: str | os.PathLike[str], *, environment: str | None = None) -> QueuesConfig:
    """The queues that a wrangler.json, .jsonc or .toml describes.

    With `environment`, its `env.<environment>` section: `queues` and `vars` are not inherited from the top
    level (a warning says so), `triggers` are.
    Raises ConfigurationError with every problem in it, each naming file, key, value and what is allowed.
    """
    source = os.fspath(path)
    whole = _load(Path(path), source)
    section, prefix, name = whole, "", whole.get("name")
    problems = _Problems(source)
    if environment is not None:
        known = whole.get("env") or {}
        if not isinstance(known, Mapping) or environment not in known:
            listed = ", ".join(known) if isinstance(known, Mapping) and known else "none"
            raise ConfigurationError(
                f"{source}: env.{environment} does not exist (environments: {listed})",
                key="env", value=environment, allowed=listed, where=source,
            )  # fmt: skip
        section, prefix = _mapping(known[environment], f"env.{environment}", source), f"env.{environment}."
        name = section.get("name") or (f"{name}-{environment}" if isinstance(name, str) else None)
    reader = _Reader(problems, prefix, name if isinstance(name, str) else None)
    reader.queues(section.get("queues", {}))
    crons = reader.crons(section.get("triggers", whole.get("triggers", {})))
    warnings = [
        f'{source}: "{key}" exists at the top level but not in env.{environment}; it is not inherited'
        for key in ("queues", "vars")
        if environment is not None and key in whole and key not in section
    ]
    problems.report()
    return QueuesConfig(
        producers=reader.producers,
        consumers=reader.consumers,
        queues=reader.options,
        crons=crons,
        vars=_mapping(section.get("vars", {}), f"{prefix}vars", source),
        warnings=(*warnings, *reader.warnings),
        source=source,
    )


def _load(path: Path, source: str) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        whole = tomllib.loads(text) if path.suffix == ".toml" else jsonc.loads(text)
    except FileNotFoundError:
        raise ConfigurationError(
            f"{source} does not exist; name another file, or leave `config` out",
            key="config",
            value=source,
            where=source,
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"{source} cannot be read: {error.strerror}", key="config", where=source
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{source} is not UTF-8 text", key="config", where=source) from None
    except (jsonc.JsoncError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{source}: {error}", key="config", where=source) from None
    return _mapping(whole, "the file", source)


class _Problem(NamedTuple):
    text: str
    key: str
    value: object
    allowed: str | None


class _Problems:
    """Collects what is wrong, so that one run tells it all."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: list[_Problem] = []

    def add(self, key: str, value: object, allowed: str, *, says: str | None = None) -> None:
        text = f"{self.source}: {key} {says or f'is {value!r}'}; allowed: {allowed}"
        self._found.append(_Problem(text, key, value, allowed))

    @contextmanager
    def within(self, place: str) -> Iterator[None]:
        """Take what the options' own checks raise, with the full name of the key."""
        try:
            yield
        except ConfigurationError as error:
            key = f"{place}.{error.key}"
            self.add(key, error.value, error.allowed or "see the documentation")

    def report(self) -> None:
        if self._found:
            first = self._found[0]
            raise ConfigurationError(
                "\n".join(problem.text for problem in self._found),
                key=first.key, value=first.value, allowed=first.allowed, where=self.source,
            )  # fmt: skip


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

    def crons(self, given: object) -> tuple[str, ...]:
        """`triggers.crons`."""
        place = f"{self._prefix}triggers"
        if not self._is(given, dict, place, "an object"):
            return ()
        self._check_keys(given, TRIGGER_KEYS, place)
        crons = given.get("crons") or []
        if self._is(crons, list, f"{place}.crons", "an array of cron expressions"):
            for index, cron in enumerate(crons):
                self._is(cron, str, f"{place}.crons[{index}]", "a cron expression")
            return tuple(cron for cron in crons if isinstance(cron, str))
        return ()

    def _producer(self, entry: Mapping[str, Any], place: str) -> None:
        self._check_keys(entry, PRODUCER_KEYS, place)
        binding = entry.get("binding")
        if not isinstance(binding, str) or not binding:
            self._problems.add(f"{place}.binding", binding, "a name such as MESSAGE_QUEUE")
            return
        queue = entry.get("queue")
        if queue is None and self._name is not None:
            # What wrangler calls a queue that it provisions itself.
            queue = f"{self._name}-{binding.lower().replace('_', '-')}"
        with self._problems.within(place):
            check_queue_name(queue)
            assert isinstance(queue, str)
            if binding in self.producers:
                self._problems.add(f"{place}.binding", binding, "a binding that no other producer has")
            self.producers[binding] = queue
            if entry.get("delivery_delay") is not None:
                self._delay(queue, entry["delivery_delay"], place)

    def _delay(self, queue: str, delay: Any, place: str) -> None:
        options = QueueOptions(delivery_delay=delay)
        if self.options.setdefault(queue, options) != options:
            other = self.options[queue].delivery_delay
            self._problems.add(
                f"{place}.delivery_delay", delay, f"{other}, as another producer of {queue!r} says"
            )
        self.warnings.append(
            f"{self._problems.source}: {place}.delivery_delay has no effect on Cloudflare since 2024, although "
            "Postroom honours it; set it on the queue with `wrangler queues update`"
        )

    def _consumer(self, entry: Mapping[str, Any], place: str) -> None:
        self._check_keys(entry, CONSUMER_KEYS, place)
        kind = entry.get("type", "worker")
        if kind != "worker":
            self._problems.add(
                f"{place}.type", kind, '"worker"; a queue without a consumer here can be pulled from'
            )
        # An explicit null is an unset value, as in wrangler's own types for max_concurrency.
        settings = {
            key: value
            for key, value in entry.items()
            if key in ConsumerOptions.__struct_fields__ and value is not None
        }
        queue = settings.get("queue")
        with self._problems.within(place):
            options = ConsumerOptions(**{**settings, "queue": queue})
            if queue in self.consumers:
                self._problems.add(f"{place}.queue", queue, "a queue that has no other consumer")
            self.consumers[options.queue] = options

    def _check_keys(self, given: Mapping[str, Any], known: tuple[str, ...], place: str) -> None:
        for key in given:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f" (did you mean {near[0]}?)" if near else ""
                self._problems.add(
                    f"{place}.{key}",
                    given[key],
                    f"one of the keys {', '.join(known)}",
                    says=f"is not a known key{hint}",
                )

    def _is(self, value: object, kind: type[T], key: str, allowed: str) -> TypeGuard[T]:
        if isinstance(value, kind):
            return True
        self._problems.add(key, value, allowed)
        return False


def _mapping(value: object, key: str, source: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ConfigurationError(
        f"{source}: {key} is {value!r}; allowed: an object",
        key=key,
        value=value,
        allowed="an object",
        where=source,
    )
