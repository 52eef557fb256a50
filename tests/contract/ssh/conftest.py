"""One server per test, and a pool that reaches it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from bwvisu.adapters.ssh import SshPool
from tests.support.sshd import Sshd, running_sshd


@pytest.fixture
def sshd() -> Iterator[Sshd]:
    with running_sshd() as server:
        yield server


@pytest.fixture
async def pool(sshd: Sshd) -> AsyncIterator[SshPool]:
    pool = SshPool(sshd.settings())
    yield pool
    await pool.aclose()
