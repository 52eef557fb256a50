"""A portal over a real API over a real etcd; the cluster's part is played by a leader that says what a test says."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.contract.api.conftest import APP, etcd, make_bundle
from tests.contract.api.service import Service, service
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor, portal_over

__all__ = ["etcd"]
CONDITIONAL = APP.replace("  flag: {type: boolean, default: false}\n", "").replace(
    "  colour: {type: choice, choices: [red, green], default: red}\n",
    "  flag: {type: boolean, default: false}\n"
    "  colour: {type: choice, choices: [red, green], default: red, when: {flag: true}}\n",
)


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    make_bundle(tmp_path / "applications" / "probe", APP)
    make_bundle(tmp_path / "applications" / "conditional", CONDITIONAL)
    async with service(etcd.endpoints, tmp_path / "applications") as running:
        running.leader.knows("alice", "bob", "admin")
        running.leader.lacks("stranger")
        yield running


@pytest.fixture
async def portal(api: Service) -> AsyncIterator[FastAPI]:
    async with portal_over(api.url, "bwv_portal") as app:
        yield app


@pytest.fixture
async def visitor(portal: FastAPI) -> AsyncIterator[Callable[[], Visitor]]:
    visitors: list[Visitor] = []

    def arrive() -> Visitor:
        visitors.append(Visitor(portal))
        return visitors[-1]

    yield arrive
    for each in visitors:
        await each.http.aclose()


@pytest.fixture
async def alice(visitor: Callable[[], Visitor]) -> Visitor:
    person = visitor()
    await person.sign_in("alice")
    return person
