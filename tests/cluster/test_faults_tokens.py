"""A token that is taken out of the settings while jobs that it has started run."""

import hashlib
from pathlib import Path

import httpx2

from bwvisu.sandbox import Sandbox
from tests.support.world import Person, leave_whole, service_in, slurm_jobs


def test_fault_32_a_revoked_token_opens_nothing_and_its_jobs_go_on(sandbox: Sandbox, tmp_path: Path) -> None:
    with service_in(sandbox, tmp_path) as service:
        service.start()
        service.wait_until_ready(120)
        with service.client() as client:
            alice = Person(client)
            job = alice.wait(alice.submit("page", minutes=10), "available")
        revoked, fresh = service.token, "a-token-that-came-later"
        (known,) = service.settings["api"]["tokens"]
        new = {**known, "name": "later", "sha256": hashlib.sha256(fresh.encode()).hexdigest()}
        service.configure({"api": {"tokens": [new]}})
        service.stop("all")
        service.token = fresh
        service.start()
        service.wait_until_ready(120)
        with httpx2.Client(base_url=service.url, headers={"Authorization": f"Bearer {revoked}"}) as stranger:
            for path in (f"jobs/{job['id']}", f"jobs/{job['id']}/access", "events"):
                answer = stranger.get(f"/api/v1/{path}")
                assert answer.status_code == 401, answer.text
                assert answer.json()["type"].endswith("not-authenticated")
                assert "token" in answer.json()["detail"]
        with service.client() as client:
            alice = Person(client)
            after = alice.wait(job["id"], "available")
            assert after["slurm"]["job_id"] == job["slurm"]["job_id"]
            assert [each["id"] for each in slurm_jobs(sandbox, job["id"])] == [str(job["slurm"]["job_id"])]
            leave_whole(service, client)
