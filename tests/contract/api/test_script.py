"""A job's batch script: what the leader submits, but for the secrets."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bwvisu.adapters.etcd import Delete
from bwvisu.adapters.job_script import KeyholeAddress
from bwvisu.adapters.records import decode
from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.job import JobSpec, JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.reconcilers.scripts import Scripts
from keyhole.auth import attempt_key
from tests.contract.api.conftest import make_bundle
from tests.contract.api.service import Service, service
from tests.contract.api.test_bad_input import problem
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually

APP = """\
title: Secret
ports: [{name: web, protocol: http}]
parameters:
  text: {type: string, default: hello}
"""
SCRIPT = """\
#!/bin/bash
#SBATCH --time=5
#KEYHOLE-REQUEST-PORTS 1
export PASSWORD={{ access.password }}
serve --title {{ text }} --key {{ "id=" ~ access.password }} {{ job.id }}
"""
KEYHOLE = ("http://keyhole.example.org:4243",)


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    make_bundle(bundles / "secret", APP, SCRIPT)
    async with service(etcd.endpoints, bundles) as running:
        running.leader.knows("alice")
        yield running


async def shown(api: Service, job_id: str) -> str:
    answer = await api.client("reader").get(f"/api/v1/jobs/{job_id}/script")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    return answer.text


async def submitted(api: Service, job_id: str, attempt: int) -> tuple[str, tuple[str, ...]]:
    """What the leader gives to sbatch, and the secrets in it."""
    state = api.context.state
    spec = decode(JobSpec, (await api.records("specs"))[job_id].value)
    script = await Scripts(state.store, state.keys, KeyholeAddress(KEYHOLE))(spec, attempt)
    secret = (await api.records("secrets"))[job_id].value
    return script.decode(), (access_password(secret), view_password(secret), attempt_key(secret, attempt))


def blanked(script: str, secrets: tuple[str, ...]) -> str:
    """Its secrets blank, and with them the here-document's mark, which follows from the text between."""
    for secret in secrets:
        assert secret in script
        script = script.replace(secret, "X" * len(secret))
    return unmarked(script)


def unmarked(script: str) -> str:
    return re.sub(r"KEYHOLE_[0-9a-f]{16}", "KEYHOLE_MARK", script)


@pytest.mark.parametrize("text", ["hello", "XXXXXXXXXXXXXXXX", "a'b $(id) ü", "KEYHOLE"])
async def test_it_is_what_is_submitted_but_for_the_secrets(api: Service, text: str) -> None:
    job = await api.submit(application="secret", parameters={"text": text})
    seen = await shown(api, job["id"])
    script, secrets = await submitted(api, job["id"], attempt=1)
    assert unmarked(seen) == blanked(script, secrets)
    assert not any(secret in seen for secret in secrets)
    assert job["id"] in seen
    assert seen == await shown(api, job["id"])


async def test_it_is_the_present_attempts(api: Service) -> None:
    job = await api.submit(application="secret")
    revision = await api.leader.sees(job["id"], JobStatus(phase=Phase.SUBMITTING, attempt=3))
    await eventually(lambda: api.context.state.status.revision >= revision)
    assert unmarked(await shown(api, job["id"])) == blanked(*await submitted(api, job["id"], attempt=3))


async def test_a_job_keeps_the_script_that_it_was_accepted_with(api: Service, bundles: Path) -> None:
    job = await api.submit(application="secret")
    before = await shown(api, job["id"])
    (bundles / "secret" / "job.sh.j2").write_text(SCRIPT + "echo changed\n")
    api.context.catalogue.refresh()
    assert await shown(api, job["id"]) == before


async def test_an_unchanged_script_is_not_sent_again(api: Service) -> None:
    path = f"/api/v1/jobs/{(await api.submit(application='secret'))['id']}/script"
    etag = (await api.client().get(path)).headers["etag"]
    answer = await api.client().get(path, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await api.client().get(path, headers={"If-None-Match": '"other"'})).status_code == 200


async def test_the_secret_is_not_even_read(api: Service) -> None:
    job = await api.submit(application="secret")
    await api.context.state.store.commit([], [Delete(api.context.state.keys.secret(job["id"]))])
    assert "PASSWORD=" in await shown(api, job["id"])


async def test_other_peoples_scripts_are_not_there(api: Service) -> None:
    api.leader.knows("bob")
    job = await api.submit(application="secret", user="bob")
    for holder, job_id in (("alices", job["id"]), ("portal", "nonsense")):
        answer = await api.client(holder).get(f"/api/v1/jobs/{job_id}/script")
        assert (answer.status_code, problem(answer)["type"]) == (404, "/problems/job-not-found")
