"""Cloudflare Queues' limits, by name, with their units.

Source: https://developers.cloudflare.com/queues/platform/limits/ and the configuration pages beside it.
"""

import re
from typing import Final

MESSAGE_BYTES_MAX: Final = 128_000
"""Encoded body of one message, bytes (1 KB = 1000 B)."""
BATCH_BYTES_MAX: Final = 256_000
"""Encoded bodies of one `send_batch`, bytes."""
BATCH_COUNT_MAX: Final = 100
"""Messages in one `send_batch`, one pull and one delivered batch."""

DELAY_SECONDS_MAX: Final = 86_400
"""Cloudflare's longest delay: 24 hours. Brokers that can wait longer say so in their capabilities."""

DELAY_SECONDS_CEILING: Final = 3_153_600_000
"""The longest delay where a broker knows no bound: 100 years, which every store can hold."""

BATCH_SIZE_DEFAULT: Final = 10
BATCH_TIMEOUT_SECONDS_DEFAULT: Final = 5
BATCH_TIMEOUT_SECONDS_MAX: Final = 60
RETRIES_DEFAULT: Final = 3
RETRIES_MAX: Final = 100
CONCURRENCY_MAX: Final = 250
"""Concurrent invocations of one consumer; also what an unset `max_concurrency` means."""
PULL_BATCH_SIZE_DEFAULT: Final = 5

VISIBILITY_MS_DEFAULT: Final = 30_000
VISIBILITY_MS_MAX: Final = 43_200_000
"""The longest lease: 12 hours."""

RETENTION_SECONDS_DEFAULT: Final = 345_600
"""4 days."""
RETENTION_SECONDS_MIN: Final = 60
RETENTION_SECONDS_MAX: Final = 1_209_600
"""14 days."""
AGELESS_DELAY_SECONDS: Final = DELAY_SECONDS_MAX
"""A message's age counts from when it was sent. With a delay longer than Cloudflare's longest, which is an
extension, it counts from the end of the delay: what is scheduled for next month must not expire this week."""

DEDUPLICATION_SECONDS_DEFAULT: Final = 300
"""How long a deduplication id is remembered. An extension; the figure is that of Amazon SQS FIFO queues."""
DEDUPLICATION_SECONDS_MAX: Final = 86_400
DEDUPLICATION_ID_CHARS_MAX: Final = 128

QUEUE_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
"""What a queue may be called (API error 11003 quotes the same pattern)."""

REASON_CHARS_MAX: Final = 2_000
"""A dead letter's reason is cut to this many characters."""
