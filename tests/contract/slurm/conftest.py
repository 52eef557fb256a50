"""Each test runs on the double and on the sandbox cluster."""

from collections.abc import AsyncIterator

import pytest

from bwvisu.adapters.slurm import SlurmCluster, SlurmSettings
from bwvisu.sandbox import Sandbox
from tests.contract.slurm.desk import PREFIX, Desk
from tests.contract.slurm.sites import Real, Simulated, Site


@pytest.fixture(params=["simulated", "real"])
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    site: Site
    if request.param == "simulated":
        site = Simulated()
    else:
        box = request.getfixturevalue("sandbox")
        assert isinstance(box, Sandbox)
        site = Real(box)
    yield site
    await site.aclose()


@pytest.fixture
def desk(site: Site) -> Desk:
    return Desk(SlurmCluster(site.wire, site.nodes, SlurmSettings(name_prefix=PREFIX)))


@pytest.fixture
def hasty(site: Site) -> SlurmCluster:
    """For outages: it gives up early."""
    settings = SlurmSettings(name_prefix=PREFIX, submit_timeout=1.5, look_timeout=1.5, call_timeout=1.5)
    return SlurmCluster(site.wire, site.nodes, settings)
