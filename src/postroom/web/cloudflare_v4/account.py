"""What clients ask before they come to queues: who am I, in which accounts, is the token good?"""

from typing import Any

from postroom.accounts import Permission
from postroom.web.cloudflare_v4.call import Call, page
from postroom.web.cloudflare_v4.envelope import Answer, Notice
from postroom.web.cloudflare_v4.errors import AUTHENTICATION


async def user(call: Call) -> Answer:
    """GET /user."""
    identity = call.identity
    found = None
    if identity.user_id is not None:
        users, user_id = call.services.accounts.users, identity.user_id
        found = await call.services.store.read(lambda t: users.by_id(t, user_id))
    email = found.email if found is not None and found.email else f"{identity.name}@postroom.invalid"
    return Answer({"id": identity.user_id or identity.name, "email": email, "username": identity.name})


async def verify(call: Call) -> Answer:
    """GET /user/tokens/verify: who came here has a good one."""
    result = {"id": call.identity.user_id or call.identity.name, "status": "active"}
    return Answer(result, messages=(Notice(AUTHENTICATION, "This API Token is valid and active"),))


async def accounts(call: Call) -> Answer:
    """GET /accounts: the one that this is."""
    part, info = page(call, [_account(call)])
    return Answer(part, info)


async def one(call: Call) -> Answer:
    """GET /accounts/{account}."""
    return Answer(_account(call) | {"id": call.path["account"]})


async def memberships(call: Call) -> Answer:
    """GET /memberships."""
    part, info = page(call, [_membership(call)])
    return Answer(part, info)


def _account(call: Call) -> dict[str, Any]:
    account = call.services.account
    return {"id": account.id, "name": account.name, "type": "standard"}


def _membership(call: Call) -> dict[str, Any]:
    allowed = call.identity.permissions
    return {
        "id": call.services.account.id,
        "status": "accepted",
        "account": _account(call),
        "roles": [call.identity.role],
        "permissions": {
            "queues": {"read": Permission.SEE_STATUS in allowed, "write": Permission.MANAGE_QUEUES in allowed}
        },
    }
