"""Cloudflare's REST API as its caller sees it: one pooled client, retries with jitter, errors with their codes."""

from postroom.kit.cloudflare.client import (
    BASE_URL,
    CloudflareClient,
    CloudflareError,
    CloudflareRefused,
    CloudflareUnreachable,
    Page,
)

__all__ = [
    "BASE_URL",
    "CloudflareClient",
    "CloudflareError",
    "CloudflareRefused",
    "CloudflareUnreachable",
    "Page",
]
