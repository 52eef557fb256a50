"""The API of the other contract tests, and clients that are generated from what it says of itself, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bwvisu.domain.cluster import ClusterUser
from bwvisu.services.feed import Limits
from bwvisu.settings import RateSettings
from tests.clients.leader import quick_leader
from tests.contract.api.conftest import APP, etcd, make_bundle
from tests.contract.api.service import Service, cluster_settings, service
from tests.support.clients import Clients
from tests.support.etcd import EtcdCluster

__all__ = ["etcd"]
ORIGINAL = """\
original:
  template-name: probe.txt
  variables: {many: minutes, note: text}
"""
GATEWAY = {"name": "gw1", "host": "gw1", "user": "bwvisu", "internal_ip": "10.0.0.1", "external_ip": "192.0.2.1"}
STREAMS = Limits(lifetime=0.2, heartbeat=0.1)
"""Who reads a stream to its end, as curl does and schemathesis, is not held up for long."""
RATE = RateSettings(stranger_requests_per_second=1000, stranger_burst=10_000)
"""schemathesis tries thousands of wrong tokens, and wants to hear what is said of each; `test_rate` tries the limit."""


@asynccontextmanager
async def running(etcd: EtcdCluster, bundles: Path, **settings: Any) -> AsyncIterator[Service]:
    """The API with a quick leader, who knows alice and bob, and that there is nobody else."""
    slurm = {"extend": {"allowed": True}}
    main = cluster_settings(gateways=[GATEWAY], compute_networks=["10.0.0.0/24"], slurm=slurm, **settings)
    # The original's API goes past a cluster whose forwards are bound: it could let nobody in there.
    clusters = {"main": main, "second": cluster_settings(slurm=slurm)}
    made = service(etcd.endpoints, bundles, clusters=clusters, streams=STREAMS, rate=RATE)
    async with made as api, quick_leader(api):
        api.leader.knows("alice", "bob")
        api.leader.strangers = ClusterUser(name="", exists=False, checked_at=datetime.now(UTC))
        yield api


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    make_bundle(tmp_path / "applications" / "probe", APP + ORIGINAL)
    return tmp_path / "applications"


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    async with running(etcd, bundles) as api:
        yield api


@pytest.fixture
async def clients(api: Service, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """Generated once, by the first test that asks."""
    return await asyncio.to_thread(generated, api.url, tmp_path_factory)


def generated(url: str, folders: pytest.TempPathFactory) -> Clients:
    """What any service says of itself is the same, so one generation does for all of them."""
    clients = Clients(folders.getbasetemp() / "clients")
    if not clients.folder.exists():
        clients.generate(url)
    return clients
