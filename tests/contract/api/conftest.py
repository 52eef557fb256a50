"""One etcd for all tests of the API; each test has a prefix, a server and bundles of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.contract.api.service import Service, service
from tests.support.etcd import EtcdCluster

APP = """\
title: Probe
summary: For tests.
ports:
  - {name: web, protocol: http, path: /lab}
connect: {kind: link, fragment: "password={password}"}
parameters:
  minutes: {type: integer, minimum: 1, maximum: 60, default: 15}
  text: {type: string, default: hello}
  colour: {type: choice, choices: [red, green], default: red}
  flag: {type: boolean, default: false}
"""
SCRIPT = "#!/bin/bash\n#KEYHOLE-REQUEST-PORTS 1\necho {{ minutes }} {{ text }} {{ colour }} {{ flag }}\n"


@pytest.fixture(scope="session")
def etcd() -> Iterator[EtcdCluster]:
    with EtcdCluster() as cluster:
        yield cluster


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    folder = tmp_path / "applications"
    make_bundle(folder / "probe", APP)
    return folder


def make_bundle(folder: Path, app: str, script: str = SCRIPT) -> None:
    folder.mkdir(parents=True)
    (folder / "app.yaml").write_text(app)
    (folder / "job.sh.j2").write_text(script)
    (folder / "icon.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")


@pytest.fixture
async def api(etcd: EtcdCluster, bundles: Path) -> AsyncIterator[Service]:
    async with service(etcd.endpoints, bundles) as running:
        running.leader.knows("alice", "bob")
        yield running
