"""Signing in and getting in: passwords, sessions, CSRF, API tokens, an issuer's tokens (web/auth.py, accounts/)."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from web_support import OPERATOR_TOKEN, Api

from postroom.accounts import Issuer, IssuerOptions, Passwords
from postroom.delivery.testing import Answer, Loopback, Request
from postroom.kit.clock import SystemClock
from postroom.queues.testing import VirtualClock
from postroom.web import Token

PASSWORD = "correct horse battery"
ADMIN = "a" * 40
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def people(production: Api) -> Api:
    """Production with an admin's token and quick password hashes."""
    accounts = production.services.accounts._replace(passwords=QUICK)
    return Api(production.app, tokens=[Token("root", "admin", ADMIN)], accounts=accounts)


async def made(api: Api, name: str = "anna", role: str = "staff", **more: Any) -> str:
    answer = await api.post(
        "/api/users", {"name": name, "roles": [role], "password": PASSWORD, **more}, token=ADMIN
    )
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["userId"]
    return found


async def signed_in(api: Api, name: str = "anna", password: str = PASSWORD) -> tuple[str, str]:
    """Cookie and CSRF token."""
    answer = await api.post("/api/session", {"name": name, "password": password})
    assert answer.status_code == 201, answer.text
    return answer.headers["set-cookie"].partition(";")[0], answer.json()["csrfToken"]


async def test_session_lets_in_and_needs_its_csrf_token(people: Api) -> None:
    """The cookie is for browsers only; what changes something needs the token, and no other site."""
    await made(people)
    cookie, csrf = await signed_in(people)
    draft = {"channel": "email", "recipient": "a@example.com", "subject": "S", "content": "C"}

    assert (await people.get("/api/messages", headers={"Cookie": cookie})).status_code == 200
    assert (await people.post("/api/messages", draft, headers={"Cookie": cookie})).status_code == 403
    with_token = {"Cookie": cookie, "X-CSRF-Token": csrf}
    assert (await people.post("/api/messages", draft, headers=with_token)).status_code == 201
    elsewhere = {**with_token, "Origin": "https://evil.example"}
    assert (await people.post("/api/messages", draft, headers=elsewhere)).status_code == 403


async def test_cookie_is_out_of_scripts_reach(people: Api) -> None:
    """HttpOnly, SameSite, Secure; the password never comes back."""
    await made(people)
    answer = await people.post("/api/session", {"name": "Anna", "password": PASSWORD})

    for attribute in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"):
        assert attribute in answer.headers["set-cookie"]
    assert PASSWORD not in answer.text


async def test_wrong_name_and_wrong_password_are_answered_alike(people: Api) -> None:
    """Nobody learns who has an account."""
    await made(people)
    wrong = await people.post("/api/session", {"name": "anna", "password": "wrong password!"})
    nobody = await people.post("/api/session", {"name": "nobody", "password": "wrong password!"})

    assert (wrong.status_code, wrong.json()["detail"]) == (nobody.status_code, nobody.json()["detail"]) == (
        401, "Name or password are wrong.",
    )  # fmt: skip


async def test_session_ends(people: Api, clock: VirtualClock) -> None:
    """When it is idle, when one signs out, when the user is disabled."""
    user_id = await made(people)
    idle, _ = await signed_in(people)
    await clock.advance(31 * 60)
    assert (await people.get("/api/session", headers={"Cookie": idle})).status_code == 401

    cookie, csrf = await signed_in(people)
    await people("DELETE", "/api/session", headers={"Cookie": cookie, "X-CSRF-Token": csrf})
    assert (await people.get("/api/session", headers={"Cookie": cookie})).status_code == 401

    cookie, _ = await signed_in(people)
    await people("PATCH", f"/api/users/{user_id}", {"disabled": True}, token=ADMIN)
    assert (await people.get("/api/session", headers={"Cookie": cookie})).status_code == 401


async def test_token_is_shown_once_scoped_and_revoked(people: Api, clock: VirtualClock) -> None:
    """Its secret is in one answer; it allows what its scopes say, until it is revoked or ends."""
    await made(people, role="reviewer")
    answer = await people.post(
        "/api/tokens", {"label": "ci", "user": "anna", "scopes": ["look_up"], "expiresDays": 2}, token=ADMIN
    )
    token = answer.json()["token"]

    assert token not in (await people.get("/api/tokens?user=anna", token=ADMIN)).text
    assert (await people.get("/api/messages", token=token)).status_code == 200
    assert (
        await people.post(
            "/api/messages", {"channel": "sms", "recipient": "+14155552671", "content": "x"}, token=token
        )
    ).status_code == 403
    await clock.advance(3 * 86_400)
    assert (await people.get("/api/messages", token=token)).status_code == 401

    other = (await people.post("/api/tokens", {"label": "ci", "user": "anna"}, token=ADMIN)).json()
    assert (await people.get("/api/messages", token=other["token"])).status_code == 200
    await people("DELETE", f"/api/tokens/{other['tokenId']}", token=ADMIN)
    await clock.advance(6)
    assert (await people.get("/api/messages", token=other["token"])).status_code == 401


async def test_token_is_made_once_under_one_key_and_shown_once(people: Api) -> None:
    """The second answer is the first one without its secret."""
    await made(people, role="reviewer")
    ask = {"label": "ci", "user": "anna"}
    key = {"Idempotency-Key": "k-1"}

    first = await people.post("/api/tokens", ask, token=ADMIN, headers=key)
    again = await people.post("/api/tokens", ask, token=ADMIN, headers=key)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert {**again.json(), "token": first.json()["token"]} == first.json()
    assert len((await people.get("/api/tokens?user=anna", token=ADMIN)).json()["tokens"]) == 1


async def test_users_are_filtered_and_guarded_by_their_version(people: Api) -> None:
    """By role and whether they are disabled; who changed them first wins."""
    user_id = await made(people, role="reviewer")

    async def names(query: str) -> list[str]:
        return [one["name"] for one in (await people.get(f"/api/users?{query}", token=ADMIN)).json()["users"]]

    seen = (await people.get(f"/api/users/{user_id}", token=ADMIN)).headers["etag"]
    assert "anna" in await names("role=reviewer")
    assert "anna" not in await names("role=auditor")
    done = await people(
        "PATCH", f"/api/users/{user_id}", {"disabled": True}, token=ADMIN, headers={"If-Match": seen}
    )
    late = await people(
        "PATCH", f"/api/users/{user_id}", {"disabled": False}, token=ADMIN, headers={"If-Match": '"v1"'}
    )

    assert (done.status_code, late.status_code) == (200, 412)
    assert await names("disabled=yes") == ["anna"]
    assert (await people.get("/api/users?role=boss", token=ADMIN)).status_code == 400


@pytest.mark.parametrize(("body", "field"), [
    ({"label": "", "user": "anna"}, "label"), ({"label": "x", "user": "anna", "scopes": ["fly"]}, "scopes"),
    ({"label": "x", "user": "anna", "scopes": ["review"]}, "scopes"), ({"label": "x", "user": "anna", "scopes": []}, "scopes"),
])  # fmt: skip
async def test_token_that_cannot_be_is_refused(people: Api, body: dict[str, Any], field: str) -> None:
    """Naming the field; nobody gives away what they do not have."""
    await made(people)
    answer = await people.post("/api/tokens", body, token=ADMIN)

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(("body", "field"), [
    ({"name": "Ann A", "roles": ["staff"]}, "name"), ({"name": "b", "roles": ["king"]}, "roles"), ({"name": "b", "roles": []}, "roles"),
    ({"name": "b", "roles": ["staff"], "email": "x"}, "email"), ({"name": "b", "roles": ["staff"], "password": "short"}, "password"),
    ({"name": "anna", "roles": ["staff"]}, "name"),
])  # fmt: skip
async def test_user_that_cannot_be_is_refused(people: Api, body: dict[str, Any], field: str) -> None:
    """Naming the field."""
    await made(people)
    answer = await people.post("/api/users", body, token=ADMIN)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


async def test_refusals_are_in_the_audit_trail(people: Api) -> None:
    """Who was refused what, in a batch; without the path as it came."""
    await made(people)
    await people.get("/api/users/secret-id", token="x" * 40)
    await people.services.door.refusals.flush()

    entries = (await people.get("/api/audit?action=access.refused", token=ADMIN)).json()["entries"]
    assert [(one["actor"], one["objectId"]) for one in entries] == [("nobody", "/api/users")]


async def test_flood_of_refusals_is_summed_up(people: Api) -> None:
    """An attacker does not make the disk the bottleneck."""
    for _ in range(600):
        await people.get("/api/jobs", token="x" * 40)
    await people.services.door.refusals.flush()

    entries = (await people.get("/api/audit?action=access.refused&limit=1", token=ADMIN)).json()["entries"]
    assert entries[0]["details"] == {"count": 100}


# Limits.


async def test_sign_in_is_limited_by_address_and_name(people: Api, clock: VirtualClock) -> None:
    """Ten a minute; then 429 says when to come again."""
    await made(people)
    answers = [
        await people.post("/api/session", {"name": "anna", "password": "wrong password!"}) for _ in range(11)
    ]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "q=10;w=60" in answers[-1].headers["ratelimit-policy"]
    await clock.advance(130)
    await signed_in(people)


async def test_limits_are_shared_between_processes(people: Api) -> None:
    """Two processes on one file count together, once they have told the store."""
    other = Api(people.app, tokens=[Token("root", "admin", ADMIN)])
    for api in (people, other):
        for _ in range(5):
            await api.post("/api/session", {"name": "x", "password": "wrong password!"})
        await api.services.door.limits.share()
    await people.services.door.limits.share()
    await people.post("/api/session", {"name": "x", "password": "wrong password!"})
    await people.services.door.limits.share()

    assert (await other.post("/api/session", {"name": "x", "password": "wrong password!"})).status_code in (
        401,
        429,
    )
    await other.services.door.limits.share()
    assert (await other.post("/api/session", {"name": "x", "password": "wrong password!"})).status_code == 429


async def test_cross_origin_requests_are_refused_unless_listed(people: Api) -> None:
    """No header by default, so that browsers keep the answer to themselves."""
    headers = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    assert (
        "access-control-allow-origin"
        not in (await people("OPTIONS", "/api/messages", headers=headers)).headers
    )
    people.services.door.cors_origins = frozenset({b"https://app.example.com"})
    listed = Api(people.app, tokens=[], door=people.services.door)
    answer = await listed("OPTIONS", "/api/messages", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (
        204,
        "https://app.example.com",
    )
    other = await listed("OPTIONS", "/api/messages", headers={**headers, "Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


# An issuer.


class Keys:
    """An issuer on loopback that publishes its keys."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.fetched = 0
        self.loopback = Loopback(self.answer)

    async def answer(self, request: Request) -> Answer:
        self.fetched += 1
        published = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return Answer.json(200, {"keys": [{**published, "kid": "k1", "use": "sig", "alg": "RS256"}]})

    def token(self, key: Any = None, algorithm: str = "RS256", kid: str = "k1", **claims: Any) -> str:
        now = int(time.time())
        given = {
            "iss": "https://team.example",
            "aud": "us",
            "sub": "u-1",
            "iat": now,
            "exp": now + 60,
            **claims,
        }
        return jwt.encode(given, key or self.key, algorithm, headers={"kid": kid})


@pytest.fixture
async def keys() -> AsyncIterator[Keys]:
    made_ = Keys()
    async with made_.loopback:
        yield made_


def with_issuer(api: Api, keys: Keys, **options: Any) -> Api:
    given = {
        "issuer": "https://team.example",
        "audience": "us",
        "jwks_url": f"{keys.loopback.url}/certs",
        **options,
    }
    return Api(
        api.app, tokens=[Token("root", "admin", ADMIN)], issuer=Issuer(IssuerOptions(**given), SystemClock())
    )


async def test_issuer_s_token_gets_in_by_claim_or_account(production: Api, keys: Keys) -> None:
    """By the roles in it, or by the account of its email; keys are fetched once."""
    api = with_issuer(production, keys)
    await api.post(
        "/api/users", {"name": "anna", "roles": ["auditor"], "email": "anna@example.com"}, token=ADMIN
    )

    by_claim = await api.get("/api/session", token=keys.token(roles=["staff"]))
    by_account = await api.get("/api/session", token=keys.token(email="Anna@example.com"))

    assert by_claim.json()["name"] == "issuer:u-1"
    assert (by_account.json()["name"], by_account.json()["roles"]) == ("anna", ["auditor"])
    assert keys.fetched == 1
    assert (await api.get("/api/session", token=keys.token())).status_code == 403


@pytest.mark.parametrize("claims", [
    {"aud": "them"}, {"iss": "https://evil.example"}, {"exp": 1}, {"nbf": 9_999_999_999}, {"kid": "k2"}, {"algorithm": "HS256"},
    {"algorithm": "ES256"},
], ids=str)  # fmt: skip
async def test_issuer_s_token_that_is_not_right_is_refused(
    production: Api, keys: Keys, claims: dict[str, Any]
) -> None:
    """Audience, issuer, times, key and algorithm; a shared secret never signs."""
    given: dict[str, Any] = {"roles": ["admin"], **claims}
    if given.get("algorithm") == "HS256":
        given["key"] = "s" * 64
    if given.get("algorithm") == "ES256":
        given["key"] = ec.generate_private_key(ec.SECP256R1())

    assert (
        await with_issuer(production, keys).get("/api/session", token=keys.token(**given))
    ).status_code == 401


async def test_cloudflare_access_s_header_works(production: Api, keys: Keys) -> None:
    """By configuration alone."""
    api = with_issuer(production, keys, header="cf-access-jwt-assertion", default_role="staff")

    answer = await api.get("/api/session", headers={"Cf-Access-Jwt-Assertion": keys.token()})

    assert answer.json()["roles"] == ["staff"]


async def test_trusted_proxy_s_word_is_taken_and_no_other_s(people: Api, tmp_path: Path) -> None:
    """The last hop that is not a trusted proxy."""
    import ipaddress

    from postroom.web.client import ClientAddress

    client = ClientAddress([ipaddress.ip_network("10.0.0.0/8")])
    forwarded = {b"x-forwarded-for": b"203.0.113.9, 198.51.100.7, 10.0.0.2"}
    assert client.of({"client": ("10.0.0.1", 1)}, forwarded) == "198.51.100.7"
    assert client.of({"client": ("192.0.2.1", 1)}, forwarded) == "192.0.2.1"
    assert client.of({"client": ("10.0.0.1", 1)}, {b"x-forwarded-for": b"junk"}) == "10.0.0.1"
    assert msgspec.structs.fields(type(people.services))
    assert OPERATOR_TOKEN not in repr(people.services.tokens)
