"""Mail that a person asks for at the form: offered where it is sent, sent along, and remembered."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bwvisu.adapters.records import decode
from bwvisu.domain.job import JobSpec
from tests.contract.api.conftest import APP, make_bundle
from tests.contract.api.service import Service, service
from tests.support.etcd import EtcdCluster
from tests.support.portal import Visitor

FORM = "/applications/probe"


@pytest.fixture(params=[True, False])
def mails(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path, mails: bool) -> AsyncIterator[Service]:
    make_bundle(tmp_path / "applications" / "probe", APP)
    async with service(etcd.endpoints, tmp_path / "applications", mails=mails) as running:
        running.leader.knows("alice")
        yield running


async def test_the_choice_goes_with_the_job_and_is_remembered(alice: Visitor, api: Service, mails: bool) -> None:
    offered = (await alice.get(FORM)).text
    assert ("Tell me by mail when" in offered) is mails
    assert "checked" not in offered
    form = {"key": "1", "p.minutes": "20", "notify.available": "on", "notify.failed": "on", "notify.made-up": "on"}
    wrong = (await alice.post(FORM, {**form, "p.minutes": "999"}, FORM)).text
    assert (wrong.count(" checked>"), "It was not started" in wrong) == (2 if mails else 0, True)
    assert (await alice.post(FORM, form, FORM)).url.path == "/"
    (entry,) = (await api.records("specs")).values()
    assert decode(JobSpec, entry.value).notify == (("available", "failed") if mails else ())
    assert (await alice.get(FORM)).text.count(" checked>") == (2 if mails else 0)
