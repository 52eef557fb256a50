"""The generated clients on a real cluster: each starts a job, watches it, enters it and stops it."""

import asyncio
from pathlib import Path

import pytest

from bwvisu.sandbox import Sandbox
from tests.clients.conftest import generated
from tests.support.clients import LANGUAGES
from tests.support.world import service_in, slurm_jobs


async def test_the_two_generated_clients_start_watch_and_cancel_a_job(
    sandbox: Sandbox, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with service_in(sandbox, tmp_path / "service") as service:
        service.start()
        service.wait_until_ready(120)
        clients = generated(service.url, tmp_path_factory)
        talks = (clients.talk(each, service.url, service.token, "page", 240, text=each) for each in LANGUAGES)
        for told in await asyncio.gather(*talks):
            assert told["statuses"] == [201, 200]
            assert told["again"] == told["id"]
            # It watches from some moment on: what the job had passed by then is not told any more.
            ways = ["accepted", "submitted", "running", "available", "completing", "finished"]
            assert {"available", "finished"} <= set(told["states"]) <= set(ways), told
            assert told["states"] == sorted(told["states"], key=ways.index), told
            assert told["url"].startswith("http://")
            assert told["outcome"] == "cancelled"
            (row,) = slurm_jobs(sandbox, told["id"], ended=True)
            assert (row["user"], row["state"]) == ("alice", "CANCELLED")
