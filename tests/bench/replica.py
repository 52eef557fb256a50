"""One replica of the API over an etcd of its own, as processes; the benchmark plays the leader."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bwvisu.domain.cluster import ClusterUser
from scripts.suites import ROOT
from tests.contract.api.process import Process, process
from tests.support.etcd import EtcdCluster

HEADERS = {"Authorization": "Bearer bwv_portal"}
"""Of who may do everything."""
UNLIMITED = {"requests_per_second": 1_000_000, "burst": 1_000_000}
"""One client asks more here than a whole site does."""
APPLICATION = "page"
"""Of which one person may have any number."""


@dataclass(frozen=True, slots=True)
class Replica:
    """What a benchmark holds of it."""

    api: Process
    etcd: EtcdCluster
    folder: Path
    """Gone at the end; holds the settings, and the applications as ``applications``."""


@asynccontextmanager
async def replica(**api: Any) -> AsyncIterator[Replica]:
    """Up and ready; every account exists.  ``api``: further settings of that section."""
    with EtcdCluster() as etcd, tempfile.TemporaryDirectory(prefix="bwv-bench-") as name:
        folder = Path(name)
        (folder / "applications").symlink_to(ROOT / "job_templates")
        async with process(etcd.endpoints, folder / "applications", rate=UNLIMITED, **api) as running:
            at = datetime.now(UTC)
            running.leader.strangers = ClusterUser(name="anybody", exists=True, uid=1001, home="/home/x", checked_at=at)
            yield Replica(running, etcd, folder)


async def accepted(api: Process, users: Sequence[str]) -> list[str]:
    """One job of each of these, in order; their ids."""
    async with api.client() as client:
        found = []
        for user in users:
            answer = await client.post("/api/v1/jobs", json={"user": user, "application": APPLICATION})
            assert answer.status_code == 201, answer.text
            found.append(str(answer.json()["id"]))
        return found
