"""`/debug/*`, `/health` and `/ready`: the reference document's monitoring commands, and what a load balancer asks."""

from web_support import CANARY, OPERATOR_TOKEN, Api, errors_of

from postroom.queues.testing import VirtualClock
from postroom.store import StoreTransaction


async def test_queue_status_has_what_the_reference_document_lists(api: Api, clock: VirtualClock) -> None:
    """Health metrics, failure rate, recent activity, environment status."""
    await api.get("/debug/enqueue-test")
    async with api.app.queues.running():
        await clock.advance(20)

    status = (await api.get("/debug/queue-status")).json()

    # The fifth is the cleanup that waits for the end of the export.
    assert {"total", "queued", "processing", "failed", "failureRate"} <= status["health"].keys()
    assert (status["health"]["total"], status["health"]["failed"]) == (5, 0)
    assert len(status["recentActivity"]) == 5
    assert status["environment"]["name"] == "local"
    assert {queue["name"] for queue in status["queues"]} == {"delivery-events", "dlq", "message-delivery"}


async def test_enqueue_test_enqueues_all_four_kinds(api: Api, clock: VirtualClock) -> None:
    """Under fresh ids, so that it works again and again; all of them end well, and the answer says how to see it."""
    first = await api.get("/debug/enqueue-test")
    second = await api.get("/debug/enqueue-test")
    async with api.app.queues.running():
        await clock.advance(20)

    assert (first.status_code, second.status_code) == (202, 202)
    kinds = [job["type"] for job in first.json()["jobs"]]
    assert kinds == ["email_send", "sms_send", "export_generation", "cleanup"]
    assert not any("duplicate" in job for job in second.json()["jobs"])
    for path in first.json()["follow"]["jobs"]:
        assert (await api.get(path)).json()["status"] == "done"
    assert (await api.get(first.json()["follow"]["status"])).status_code == 200


async def test_enqueue_enqueues_one_email(api: Api) -> None:
    """The simple test."""
    response = await api.get("/debug/enqueue")

    (job,) = response.json()["jobs"]
    assert (response.status_code, job["type"], job["status"]) == (202, "email_send", "queued")


async def test_enqueue_test_works_for_a_token_with_a_name_of_any_kind(production: Api) -> None:
    """The token's name is an actor, not a part of a job."""
    response = await production.get("/debug/enqueue-test", token=OPERATOR_TOKEN)

    assert response.status_code == 202


async def test_failing_status_tells_nothing(api: Api) -> None:
    """A bug's text stays here."""

    async def fail() -> object:
        raise RuntimeError(CANARY)

    response = await Api(api.app, status=fail).get("/debug/queue-status")

    assert (response.status_code, response.json()["type"]) == (500, "urn:postroom:problem:internal")
    assert CANARY not in response.text


async def test_health_answers(api: Api) -> None:
    """Without asking anybody."""
    response = await api.get("/health", peer="203.0.113.7", headers={"Host": "evil.example"})

    assert (response.status_code, response.json()) == (200, {"status": "ok"})


async def test_ready_lists_its_parts_locally(api: Api) -> None:
    """A developer may see them."""
    assert (await api.get("/ready")).json() == {"status": "ready", "parts": {"store": "ok", "queue": "ok"}}


async def test_not_ready_when_the_queue_is_missing(api: Api, production: Api) -> None:
    """503 with Retry-After; which part fails is told locally only."""
    local = await Api(api.app, queue="nope").get("/ready")
    elsewhere = await Api(production.app, queue="nope").get("/ready")

    assert (local.status_code, elsewhere.status_code) == (503, 503)
    assert local.headers["retry-after"] == "5"
    assert local.json()["errors"] == [{"field": "queue", "reason": "does not answer (QueueNotFound)"}]
    assert "errors" not in elsewhere.json()


async def test_not_ready_when_the_store_is_closed(api: Api) -> None:
    """Nothing can be looked up then."""
    await api.app.store.close()

    response = await api.get("/ready")

    assert response.status_code == 503
    assert response.json()["errors"][0]["field"] == "store"


async def test_error_reporting_that_is_not_configured_says_so(api: Api) -> None:
    """Nothing is reported, and nothing says it was."""
    assert (await api.get("/debug/sentry")).json()["status"] == "not configured"


async def test_callback_can_be_tried_by_a_bare_curl(api: Api) -> None:
    """About the message that was sent last; before there is one, it says what to do."""
    early = await api.get("/debug/webhook-test")
    wrong = await api.post("/debug/webhook-test", {"messageId": "nope"})
    tested = (await api.get("/debug/delivery-test")).json()
    odd = await api.post("/debug/webhook-test", {"messageId": tested["messageId"], "status": "odd"})
    done = await api.get(f"/debug/webhook-test?messageId={tested['messageId']}")

    assert [one.status_code for one in (early, wrong, odd, done)] == [422, 422, 422, 202]
    assert "delivery-test" in errors_of(early)["messageId"]
    assert done.json()["messageId"] == tested["messageId"]


async def test_test_email_goes_to_nobody(api: Api) -> None:
    """The address is one that cannot exist (RFC 2606)."""
    await api.get("/debug/enqueue")

    def look(transaction: StoreTransaction) -> str:
        (job,) = transaction.all("recent_jobs", limit=2)
        message = transaction.one("find_message", id=job["reference"])
        assert message is not None
        return str(message["recipient"])

    assert await api.app.store.read(look) == "test@example.com"
