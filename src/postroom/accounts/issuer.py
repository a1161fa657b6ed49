"""Tokens of an issuer: signed JWTs whose keys are published as a JWKS (RFC 7519, RFC 7517).

Cloudflare Access is one by configuration: its header is `Cf-Access-Jwt-Assertion`, its keys are at
`https://TEAM.cloudflareaccess.com/cdn-cgi/access/certs`.
https://developers.cloudflare.com/cloudflare-one/identity/authorization-cookie/validating-json/
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import httpx2
import jwt
import msgspec

from postroom.accounts.errors import NotSignedIn
from postroom.accounts.roles import Role
from postroom.kit.clock import MICROSECOND, Clock

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""Only asymmetric ones: whoever can check must not be able to sign."""
REFRESH_SECONDS: Final = 60.0
"""Keys are fetched at most this often, also when a token names one that is not known."""
KEEP_SECONDS: Final = 3600.0
FETCH_SECONDS: Final = 5.0
BYTES_MAX: Final = 256 * 1024
LEEWAY_SECONDS: Final = 30


class IssuerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Whose tokens are accepted, and how."""

    issuer: str
    audience: str
    jwks_url: str
    header: str = "authorization"
    """The request header that has the token; in `authorization` after `Bearer`."""
    roles_claim: str = "roles"
    default_role: str | None = None
    """The role of who has none in the claim and no account here; None: they are not let in."""


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of its bearer."""

    subject: str
    email: str | None
    roles: tuple[str, ...]


class Issuer:
    """Checks tokens; fetches the issuer's keys when it has to."""

    def __init__(self, options: IssuerOptions, clock: Clock) -> None:
        self.options = options
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_us: int | None = None
        self._fetching = asyncio.Lock()

    async def check(self, token: str) -> Claims:
        """What a valid token says. Raises NotSignedIn for every other."""
        try:
            head = jwt.get_unverified_header(token)
            key = await self._key(str(head.get("kid", "")))
            if head.get("alg") not in ALGORITHMS or key is None:
                raise NotSignedIn("the token is not signed with a key of the issuer")
            claims = jwt.decode(
                token, key, algorithms=list(ALGORITHMS), audience=self.options.audience, issuer=self.options.issuer,
                options={"require": ["exp", "iss", "aud", "sub"], "verify_exp": False, "verify_nbf": False,
                         "verify_iat": False},
            )  # fmt: skip
        except jwt.PyJWTError:
            raise NotSignedIn("the token is not valid for this service") from None
        self._check_times(claims)
        return self._read(claims)

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now = self._clock.now_us() / MICROSECOND
        ends, begins = claims["exp"], claims.get("nbf", claims.get("iat", 0))
        if not isinstance(ends, int | float) or not isinstance(begins, int | float):
            raise NotSignedIn("the token's times are not numbers")
        if now > ends + LEEWAY_SECONDS or now < begins - LEEWAY_SECONDS:
            raise NotSignedIn("the token's time is over, or has not come")

    def _read(self, claims: Mapping[str, Any]) -> Claims:
        given = claims.get(self.options.roles_claim, ())
        roles = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, list) else ()
        known = tuple(role for role in roles if role in set(Role))
        if not known and self.options.default_role is not None:
            known = (self.options.default_role,)
        email = claims.get("email")
        return Claims(
            subject=str(claims["sub"]), email=email if isinstance(email, str) else None, roles=known
        )

    async def _key(self, kid: str) -> jwt.PyJWK | None:
        now_us = self._clock.now_us()
        age = None if self._fetched_us is None else (now_us - self._fetched_us) / MICROSECOND
        known = self._keys.get(kid)
        if age is None or age > KEEP_SECONDS or (known is None and age > REFRESH_SECONDS):
            async with self._fetching:
                if self._fetched_us is None or self._fetched_us < now_us:
                    self._fetched_us = now_us
                    self._keys = await self._fetch() or self._keys
            known = self._keys.get(kid)
        return known

    async def _fetch(self) -> Mapping[str, jwt.PyJWK]:
        """The published keys; none when they cannot be had, in which case the old ones go on being used."""
        try:
            async with httpx2.AsyncClient(timeout=FETCH_SECONDS, trust_env=False) as client:
                answer = await client.get(self.options.jwks_url)
            if answer.status_code != 200 or len(answer.content) > BYTES_MAX:
                return {}
            published = jwt.PyJWKSet.from_json(answer.text)
        except (httpx2.HTTPError, jwt.PyJWTError, ValueError, KeyError):
            return {}
        return {key.key_id: key for key in published.keys if key.key_id is not None}
