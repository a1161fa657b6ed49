"""Settings of queues and consumers: ranges, defaults and texts."""

from typing import Any

import pytest

from postroom.queues import ConfigurationError, ConsumerOptions, QueueOptions, QueuesConfig


def test_defaults_are_cloudflares() -> None:
    """Those of production, not those of its local simulator."""
    consumer, queue = ConsumerOptions(queue="work"), QueueOptions()

    assert (consumer.max_batch_size, consumer.max_batch_timeout, consumer.max_retries) == (10, 5, 3)
    assert (consumer.dead_letter_queue, consumer.max_concurrency, consumer.retry_delay) == (None, None, 0)
    assert consumer.visibility_timeout_ms == 30_000
    assert (queue.delivery_delay, queue.message_retention_period) == (0, 345_600)


CONSUMER_RANGES = [
    ("max_batch_size", 1, 100),
    ("max_batch_timeout", 0, 60),
    ("max_retries", 0, 100),
    ("max_concurrency", 1, 250),
    ("retry_delay", 0, 86_400),
    ("visibility_timeout_ms", 1, 43_200_000),
]
QUEUE_RANGES = [
    ("delivery_delay", 0, 86_400),
    ("message_retention_period", 60, 1_209_600),
    ("deduplication_window", 1, 86_400),
]


@pytest.mark.parametrize(("key", "low", "high"), CONSUMER_RANGES)
def test_consumer_setting_has_a_range(key: str, low: int, high: int) -> None:
    """Both ends are inside, their neighbours outside; the error names key, value and range."""
    for value in (low, high):
        assert getattr(ConsumerOptions(queue="work", **{key: value}), key) == value
    for value in (low - 1, high + 1):
        says = rf"{key} is {value}; allowed: .* from {low:,} to {high:,} "
        with pytest.raises(ConfigurationError, match=says) as caught:
            ConsumerOptions(queue="work", **{key: value})
        assert (caught.value.key, caught.value.value) == (key, value)


@pytest.mark.parametrize(("key", "low", "high"), QUEUE_RANGES)
def test_queue_setting_has_a_range(key: str, low: int, high: int) -> None:
    """Both ends are inside, their neighbours outside."""
    for value in (low, high):
        assert getattr(QueueOptions(**{key: value}), key) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigurationError, match=f"{key} is {value}; allowed"):
            QueueOptions(**{key: value})


@pytest.mark.parametrize("value", [True, "5", 2.5, None, float("nan")])
def test_count_is_a_whole_number(value: Any) -> None:
    """Neither text nor a truth value nor a fraction."""
    with pytest.raises(ConfigurationError, match="a whole number"):
        ConsumerOptions(queue="work", max_retries=value)


@pytest.mark.parametrize("value", [True, "5", float("nan"), float("inf")])
def test_time_to_fill_is_a_number(value: Any) -> None:
    """A fraction of a second is allowed, what is no number is not."""
    assert ConsumerOptions(queue="work", max_batch_timeout=0.25).max_batch_timeout == 0.25
    with pytest.raises(ConfigurationError, match="a number"):
        ConsumerOptions(queue="work", max_batch_timeout=value)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "my/ Queue", "a_b", "a" * 64, "a\n", None, 5])
def test_illegal_name_is_refused(name: Any) -> None:
    """As a queue and as a dead-letter queue."""
    with pytest.raises(ConfigurationError, match="queue is "):
        ConsumerOptions(queue=name)
    if name is not None:
        with pytest.raises(ConfigurationError, match="dead_letter_queue is "):
            ConsumerOptions(queue="work", dead_letter_queue=name)


def test_queue_cannot_be_its_own_dead_letter_queue() -> None:
    """Its messages would never end."""
    with pytest.raises(ConfigurationError, match='dead letter queue of "work" cannot be itself'):
        ConsumerOptions(queue="work", dead_letter_queue="work")


def test_merged_changes_are_checked() -> None:
    """A copy; the original stays as it was."""
    options = ConsumerOptions(queue="work", max_retries=7)

    assert options.merged({"max_batch_size": 3}) == ConsumerOptions(
        queue="work", max_retries=7, max_batch_size=3
    )
    assert options.max_batch_size == 10
    with pytest.raises(ConfigurationError, match="max_retries is 101"):
        options.merged({"max_retries": 101})


def test_unknown_setting_is_refused_with_the_known_ones() -> None:
    """A slip of the pen is not passed over in silence."""
    with pytest.raises(
        ConfigurationError, match=r"max_retry is not a consumer setting; known: .*max_retries"
    ):
        ConsumerOptions(queue="work").merged({"max_retry": 1})


def test_configuration_names_each_queue_once() -> None:
    """Producers, consumers, queues and dead-letter queues, in order of first mention."""
    config = QueuesConfig(
        producers={"A": "mail", "B": "mail"},
        consumers={"work": ConsumerOptions(queue="work", dead_letter_queue="dead")},
        queues={"work": QueueOptions(), "other": QueueOptions()},
    )

    assert config.names() == ("mail", "work", "other", "dead")
