"""A real etcd for the reconcilers, and keys that no other test uses."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest

from bwvisu.adapters.etcd import Etcd, Store
from bwvisu.adapters.records import Keys
from tests.support.etcd import EtcdCluster

_numbers = itertools.count()


@pytest.fixture(scope="session")
def etcd_process() -> Iterator[EtcdCluster]:
    with EtcdCluster() as running:
        yield running


@pytest.fixture
async def store(etcd_process: EtcdCluster) -> AsyncIterator[Store]:
    async with Etcd(etcd_process.endpoints) as client:
        yield client


@pytest.fixture
def keys() -> Keys:
    return Keys(f"/test-{next(_numbers)}")
