"""A pytest plugin: one real cluster for all tests of a process; what a killed process leaves, the next one removes."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bwvisu.cli.local import LocalService
from bwvisu.cli.local_etcd import USERS
from bwvisu.sandbox import Options, Sandbox
from tests.support.world import service_in

OPERATIONS = secrets.token_urlsafe(32)
"""The token of the plain service's administrators; its frontend has another."""
_PREFIX = "test-"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A cluster with three etcd members over TLS, where roles have just their rights; shared: leave it whole."""
    _sweep()
    with whole_sandbox(f"{_PREFIX}{os.getpid()}") as box:
        yield box


@contextmanager
def whole_sandbox(name: str) -> Iterator[Sandbox]:
    """Such a cluster, for as long as it is wanted; for a module that has to break one, under a name of its own."""
    try:
        yield Sandbox.up(Options(name=name, etcd=3, etcd_users=USERS), say=print)
    finally:
        remove(name)


@pytest.fixture(scope="module")
def plain_service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """A ready service of the module's own whose applications are `tests/support/templates`: jobs that do as told."""
    applications = {"path": str(Path(__file__).parent / "templates")}
    with service_in(sandbox, tmp_path_factory.mktemp("plain"), applications=applications) as service:
        sha256 = hashlib.sha256(OPERATIONS.encode()).hexdigest()
        token = {"name": "operations", "sha256": sha256, "scopes": ["jobs:read", "jobs:write", "admin"]}
        service.configure({"api": {"tokens": [*service.settings["api"]["tokens"], token]}})
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture
def spare() -> Iterator[str]:
    """A name for an instance of the test's own, which is removed after the test in whatever state it is."""
    name = f"{_PREFIX}{os.getpid()}-spare"
    yield name
    remove(name)


def remove(name: str) -> None:
    """Take an instance down if anything of it is there."""
    if name in Sandbox.names():
        Sandbox.load(name).down()


def _sweep() -> None:
    """Remove what test processes left behind that were killed before they could."""
    for name in Sandbox.names():
        owner = name.removeprefix(_PREFIX).split("-")[0]
        if name.startswith(_PREFIX) and not (Path("/proc") / owner).exists():
            remove(name)
