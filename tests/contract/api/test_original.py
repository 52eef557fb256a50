"""The original's API: recorded conversations, replayed word for word; the test plays the leader."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from structlog.testing import capture_logs

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec
from bwvisu.domain.naming import ULID
from bwvisu.settings import RateSettings
from bwvisu.settings.proxy import ProxySettings
from tests.contract.api.conftest import make_bundle
from tests.contract.api.service import PASSWORDS, Service, service
from tests.contract.api.xpra import CLUSTER, SCRIPT, SEEN, XPRA
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually, eventually_true

RECORDINGS = Path(__file__).parent / "original"
"""One conversation each: ``ask`` and ``answer``, or what the ``leader`` sees (`SEEN`); ``<job>`` is its one job."""


@pytest.fixture
async def original(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    make_bundle(bundles / "xpra", XPRA, SCRIPT)
    async with service(etcd.endpoints, bundles, clusters={"main": CLUSTER}) as running:
        running.leader.knows("testuser", "alice", "bob")
        running.leader.lacks("mallory")
        yield running


def credentials(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{PASSWORDS[name][0]}".encode()).decode()


class Conversation:
    """A recording being replayed."""

    def __init__(self, api: Service) -> None:
        self.job = ""
        self._api = api

    async def replay(self, steps: list[dict[str, Any]]) -> None:
        for number, step in enumerate(steps):
            if "leader" in step:
                await self._leader(step["leader"])
            else:
                self._compare(f"step {number}", step["answer"], await self._ask(step["ask"]))

    async def _ask(self, ask: dict[str, Any]) -> httpx2.Response:
        header = credentials(ask["as"]) if "as" in ask else ask.get("authorization")
        headers = {"Authorization": header} if header is not None else {}
        path = ask["path"].replace("<job>", self.job)
        return await self._api.client(None).request(ask["method"], path, json=ask.get("body"), headers=headers)

    def _compare(self, where: str, expected: dict[str, Any], answer: httpx2.Response) -> None:
        if not self.job and "job-id" in answer.json():
            self.job = answer.json()["job-id"]
            assert ULID.fullmatch(self.job)
        said = json.loads(answer.text.replace(self.job, "<job>") if self.job else answer.text)
        assert (answer.status_code, said) == (expected["status"], expected["body"]), where
        for name, value in expected.get("headers", {}).items():
            assert answer.headers[name] == value, where

    async def _leader(self, sees: str) -> None:
        revision = await self._api.leader.sees(self.job, SEEN[sees])
        await eventually(lambda: self._api.context.state.status.revision >= revision)


@pytest.mark.parametrize("name", sorted(path.stem for path in RECORDINGS.glob("*.json")))
async def test_a_recorded_conversation_goes_as_it_always_did(original: Service, name: str) -> None:
    recording = json.loads((RECORDINGS / f"{name}.json").read_text())
    await Conversation(original).replay(recording["steps"])
    started = any(step.get("answer", {}).get("body") == {"job-id": "<job>"} for step in recording["steps"])
    assert len(await original.records("specs")) == started


def test_every_call_and_every_state_is_recorded() -> None:
    texts = [path.read_text() for path in RECORDINGS.glob("*.json")]
    steps = [step for text in texts for step in json.loads(text)["steps"] if "ask" in step]
    calls = {(step["ask"]["method"], re.sub(r"(jobs|user)/.+", r"\1/*", step["ask"]["path"])) for step in steps}
    assert calls == {
        ("POST", "/jobs"),
        ("GET", "/jobs"),
        ("GET", "/jobs/*"),
        ("DELETE", "/jobs/*"),
        ("GET", "/cluster/check-user/*"),
    }
    states = {step["answer"]["body"].get("state") for step in steps}
    assert states - {None} == {"submitted", "running", "available", "completing", "finished"}


REQUEST: dict[str, Any] = {
    "uid": "testuser",
    "template-name": "template_xpra.txt",
    "variables": {"image_name": "a/b_c-1.sif"},
}


async def start(api: Service, as_whom: str = "bwvisu-web", /, **changes: Any) -> httpx2.Response:
    headers = {"Authorization": credentials(as_whom)}
    return await api.client(None).post("/jobs", json={**REQUEST, **changes}, headers=headers)


async def test_variables_become_typed_parameters(original: Service) -> None:
    made = (await start(original, variables={**REQUEST["variables"], "expected_runtime_in_minutes": "015"})).json()
    job = (await original.client().get(f"/api/v1/jobs/{made['job-id']}")).json()
    assert (job["application"], job["user"], job["cluster"]) == ("xpra", "testuser", "main")
    assert job["parameters"] == {"minutes": 15, "nodes": 1, "tasks": 1, "image": "a/b_c-1.sif", "partition": ""}
    spec = decode(JobSpec, (await original.records("specs"))[job["id"]].value)
    assert spec.created_by == "bwvisu-web"
    assert spec.original is not None
    assert spec.original.variables["expected_runtime_in_minutes"] == "015"


@pytest.mark.parametrize(
    ("forwards", "why"),
    [
        ("proxy", "the gateways of main let in by a cookie, which the original's API cannot hand over; use /api/v1"),
        (
            "owner-address",
            "the gateways of main let admitted addresses in, and the original's API admits none; use /api/v1",
        ),
    ],
)
async def test_no_job_is_made_that_its_user_could_not_enter(original: Service, forwards: str, why: str) -> None:
    proxy = ProxySettings(key_file=Path("/never-read"))
    changes = {"backend": "proxy", "proxy": proxy} if forwards == "proxy" else {"admission": forwards}
    main = original.context.clusters["main"]
    closed = main.model_copy(update={"forwards": main.forwards.model_copy(update=changes)})
    object.__setattr__(original.context, "clusters", {"main": closed})
    answer = await start(original)
    assert (answer.status_code, answer.json()["errors"]) == (422, [{"pointer": "/template-name", "detail": why}])
    assert await original.records("specs") == {}
    object.__setattr__(original.context, "clusters", {"main": closed, "other": main})
    made = (await start(original)).json()["job-id"]
    assert (await original.client().get(f"/api/v1/jobs/{made}")).json()["cluster"] == "other"


async def test_what_was_submitted_survives_the_cancelling(original: Service) -> None:
    made = (await start(original)).json()["job-id"]
    await original.client().delete(f"/api/v1/jobs/{made}")
    shown = await original.client(None).get(f"/jobs/{made}", headers={"Authorization": credentials("bwvisu-web")})
    assert shown.json()["batch-script"] == {key: REQUEST[key] for key in ("template-name", "variables")}


async def test_jobs_of_the_new_api_are_shown_too(original: Service) -> None:
    job = await original.submit(parameters={"minutes": 5, "flag": True})
    headers = {"Authorization": credentials("bwvisu-web")}
    assert (await original.client(None).get("/jobs", headers=headers)).json() == {"jobs": [job["id"]]}
    shown = (await original.client(None).get(f"/jobs/{job['id']}", headers=headers)).json()
    assert shown["batch-script"] == {
        "template-name": "probe",
        "variables": {"minutes": "5", "text": "hello", "colour": "red", "flag": "true"},
    }


async def test_the_same_request_twice_is_two_jobs_listed_oldest_first(original: Service) -> None:
    made = [(await start(original)).json()["job-id"] for _ in range(2)]
    headers = {"Authorization": credentials("bwvisu-web")}
    assert made[0] != made[1]
    assert (await original.client(None).get("/jobs", headers=headers)).json() == {"jobs": made}


async def test_members_that_nobody_knows_are_passed_over(original: Service) -> None:
    assert (await start(original, session=None)).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"uid": "testuser"}, "/template-name"),
        ({**REQUEST, "variables": {"expected_runtime_in_minutes": 15}}, "/variables/expected_runtime_in_minutes"),
        ({**REQUEST, "variables": None}, "/variables"),
        ([], ""),
    ],
)
async def test_a_body_of_another_form_is_refused(original: Service, body: Any, pointer: str) -> None:
    headers = {"Authorization": credentials("bwvisu-web")}
    answer = await original.client(None).post("/jobs", json=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")
    assert isinstance(answer.json()["detail"], str)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert await original.stored() == set()


async def test_basic_accounts_have_no_way_into_the_new_api(original: Service) -> None:
    for path in ("/api/v1/jobs", "/api/v1/clusters", "/api/v1/applications"):
        headers = {"Authorization": credentials("bwvisu-web")}
        assert (await original.client(None).get(path, headers=headers)).status_code == 401


async def test_who_acts_for_a_person_is_not_taken_for_everybody(original: Service) -> None:
    """The header narrows rights in the new API; to pass it over would widen them."""
    headers = {"Authorization": credentials("bwvisu-web"), "X-On-Behalf-Of": "alice"}
    answer = await original.client(None).get("/jobs", headers=headers)
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "X-On-Behalf-Of is not known here: the original's API acts for everybody",
    )


async def test_an_account_of_one_person_sees_and_starts_only_their_jobs(original: Service) -> None:
    mine, theirs = [(await start(original, uid=user)).json()["job-id"] for user in ("alice", "bob")]
    headers = {"Authorization": credentials("alice-web")}
    assert (await original.client(None).get("/jobs", headers=headers)).json() == {"jobs": [mine]}
    for method in ("GET", "DELETE"):
        assert (await original.client(None).request(method, f"/jobs/{theirs}", headers=headers)).status_code == 404
    refused = await start(original, "alice-web", uid="bob")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/forbidden")


async def test_every_change_is_audited_under_the_accounts_name(original: Service) -> None:
    headers = {"Authorization": credentials("bwvisu-web")}
    with capture_logs() as lines:
        made = (await start(original)).json()["job-id"]
        await original.client(None).delete(f"/jobs/{made}", headers=headers)
        await start(original, uid="root")
        await original.client(None).delete(f"/jobs/{made}")
    told = [line for line in lines if line["event"] == "audit"]
    assert [(line["action"], line["result"], line["by"], line["user"], line["reason"]) for line in told] == [
        ("createJob", "accepted", "bwvisu-web", "testuser", None),
        ("cancelJob", "accepted", "bwvisu-web", "testuser", None),
        ("createJob", "refused", "bwvisu-web", None, "user-not-allowed"),
        ("cancelJob", "refused", None, "testuser", "not-authenticated"),
    ]
    assert [line["job"] for line in told] == [made, made, None, made]


async def test_an_account_is_no_stranger_to_the_rate_limit(etcd: EtcdCluster, bundles: Path) -> None:
    strict = RateSettings(stranger_burst=1, stranger_requests_per_second=1)
    async with service(etcd.endpoints, bundles, rate=strict) as api:
        headers = {"Authorization": credentials("bwvisu-web")}
        answers = [(await api.client(None).get("/jobs", headers=headers)).status_code for _ in range(5)]
        assert answers == [200] * 5
        # Two at once: of a stranger's requests one may be answered each second.
        strangers = await asyncio.gather(*(api.client(None).get("/jobs") for _ in range(10)))
        assert 429 in {answer.status_code for answer in strangers}


async def test_a_template_that_two_applications_claim_is_given_to_neither(original: Service, bundles: Path) -> None:
    make_bundle(bundles / "xpra-too", XPRA, SCRIPT)
    original.context.catalogue.refresh()
    answer = await start(original)
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/out-of-order")


async def test_the_application_runs_on_the_first_cluster_that_it_may(etcd: EtcdCluster, bundles: Path) -> None:
    make_bundle(bundles / "xpra", XPRA + "clusters: [north]\n", SCRIPT)
    clusters = dict.fromkeys(("main", "north", "south"), CLUSTER)
    async with service(etcd.endpoints, bundles, clusters=clusters) as api:
        api.leader.knows("testuser")
        made = (await start(api)).json()["job-id"]
        assert (await api.client().get(f"/api/v1/jobs/{made}")).json()["cluster"] == "north"


async def test_a_gateway_that_is_gone_from_the_settings_is_shown_by_its_name(etcd: EtcdCluster, bundles: Path) -> None:
    make_bundle(bundles / "xpra", XPRA, SCRIPT)
    async with service(etcd.endpoints, bundles) as api:
        api.leader.knows("testuser")
        made = (await start(api)).json()["job-id"]
        await api.leader.sees(made, SEEN["available"])
        headers = {"Authorization": credentials("bwvisu-web")}

        async def shown() -> bool:
            services = (await api.client(None).get(f"/jobs/{made}", headers=headers)).json()["services"]
            return [each["external-ip"] for each in services] == ["01jd.gw1.example.org"]

        await eventually_true(shown)
