"""Who may do what."""

import pytest

from tests.contract.api.service import Service
from tests.contract.api.test_bad_input import GOOD, problem

CALLS = [
    ("POST", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs"),
    ("GET", "/api/v1/jobs/01jd0000000000000000000000"),
    ("DELETE", "/api/v1/jobs/01jd0000000000000000000000"),
    ("GET", "/api/v1/jobs/01jd0000000000000000000000/access"),
    ("GET", "/api/v1/jobs/01jd0000000000000000000000/script"),
    ("GET", "/api/v1/applications"),
    ("GET", "/api/v1/applications/probe"),
    ("GET", "/api/v1/clusters"),
    ("GET", "/api/v1/clusters/main"),
    ("GET", "/api/v1/clusters/main/users/alice"),
    ("GET", "/api/v1/users/alice/preferences"),
    ("PUT", "/api/v1/users/alice/preferences"),
]


WRONG = [None, "", "Bearer", "Bearer wrong", "Bearer bwv_portal x", "Basic cG9ydGFsOng=", "bwv_portal"]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_a_wrong_token_gets_nothing(api: Service, method: str, path: str) -> None:
    body = GOOD if method in {"POST", "PUT"} else None
    for header in WRONG:
        headers = {} if header is None else {"Authorization": header}
        answer = await api.client(None).request(method, path, json=body, headers=headers)
        assert (answer.status_code, problem(answer)["type"]) == (401, "/problems/not-authenticated"), header
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await api.stored() == set()


@pytest.mark.parametrize(
    ("method", "path"), [call for call in CALLS if call[0] != "GET" or "access" in call[1] or "clusters" in call[1]]
)
async def test_a_token_without_the_scope_gets_403(api: Service, method: str, path: str) -> None:
    answer = await api.client("reader").request(method, path, json=GOOD if method in {"POST", "PUT"} else None)
    assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/scope-missing")
    assert await api.stored() == set()


async def test_a_holder_changes_tokens_and_stays_the_same(api: Service) -> None:
    """Both open the same, an idempotency key counts for both, and an expired one is as good as none."""
    first = await api.client("portal").post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "once"})
    again = await api.client("portal-next").post("/api/v1/jobs", json=GOOD, headers={"Idempotency-Key": "once"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    for holder, status in (("portal-next", 200), ("portal-long", 200), ("portal-last", 401)):
        answer = await api.client(holder).get(f"/api/v1/jobs/{first.json()['id']}")
        assert answer.status_code == status, holder
        if status == 401:
            assert problem(answer)["type"] == "/problems/not-authenticated"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/openapi.json"])
async def test_operators_need_no_token(api: Service, path: str) -> None:
    assert (await api.client(None).get(path)).status_code == 200


async def test_other_peoples_jobs_do_not_exist_for_a_bound_token(api: Service) -> None:
    mine, theirs = await api.submit(user="alice"), await api.submit(user="bob")
    alice = api.client("alices")
    assert (await alice.get(f"/api/v1/jobs/{mine['id']}")).status_code == 200
    for method, tail in (("GET", ""), ("DELETE", ""), ("GET", "/access")):
        answer = await alice.request(method, f"/api/v1/jobs/{theirs['id']}{tail}")
        assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found")
    assert [job["id"] for job in (await alice.get("/api/v1/jobs")).json()["items"]] == [mine["id"]]
    assert (await alice.get("/api/v1/jobs?user=bob")).json() == {"items": [], "next_cursor": None}
    assert (await api.client().get(f"/api/v1/jobs/{theirs['id']}")).json()["wanted"] == "running"


async def test_a_bound_token_starts_no_jobs_for_others(api: Service) -> None:
    answer = await api.client("alices").post("/api/v1/jobs", json={**GOOD, "user": "bob"})
    assert (answer.status_code, problem(answer)["type"]) == (403, "/problems/forbidden")
    assert await api.stored() == set()
    assert (await api.client("alices").post("/api/v1/jobs", json=GOOD)).status_code == 201
