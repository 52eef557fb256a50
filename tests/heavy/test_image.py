"""The image, made by the Dockerfile's own steps on a plain Debian 12, serves read-only and without rights."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from scripts.chart import Tools, judge, values_of
from scripts.environment import ROOT
from tests.chart.manifests import containers, only, pods
from tests.support.container import Container
from tests.support.etcd import EtcdCluster
from tests.support.waiting import free_port, until

pytestmark = pytest.mark.timeout(1800)  # whichever test comes first makes the image
MOST = 300
"""Megabytes that the image may take, Debian's own 100 included."""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder of `scripts.image`; its place must be open to the image's user."""
    with tempfile.TemporaryDirectory(prefix="bwv-image-", dir="/var/tmp") as folder:
        build(folder)
        Path(folder).chmod(0o755)
        yield Path(folder)


def build(folder: str) -> None:
    """Minutes; when it is interrupted, no step of it goes on."""
    argv = [sys.executable, "-m", "scripts.image", folder]
    with subprocess.Popen(argv, cwd=ROOT, start_new_session=True) as process:
        try:
            assert process.wait() == 0
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """What the chart's smallest set makes of a role, brought to the ports and the etcd of a test."""

    folder: Path
    port: int
    etcd: EtcdCluster

    def container(self, image: Path, role: str) -> Container:
        """The role's pod: its arguments, its settings file, what lies below /etc/bwvisu."""
        release = judge({"minimal": values_of("minimal")})["minimal"]
        (deployed,) = containers(pods(release)[role])
        mounts = self.folder / "etc"
        (mounts / "settings").mkdir(parents=True)
        (mounts / "settings" / "bwvisu.yaml").write_text(only(release, "ConfigMap", "settings")["data"]["bwvisu.yaml"])
        servers = {
            f"BWVISU_{name}__{key}": value for name in ("API", "KEYHOLE") for key, value in self._server().items()
        }
        endpoints = json.dumps(self.etcd.endpoints)
        log = self.folder / "log"
        return Container(image, mounts, log, *deployed["args"], BWVISU_ETCD__ENDPOINTS=endpoints, **servers)

    def _server(self) -> dict[str, str]:
        return {"HOST": "127.0.0.1", "PORT": str(self.port)}

    def url(self, path: str) -> str:
        """Of the role's server."""
        return f"http://127.0.0.1:{self.port}{path}"


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    Tools().ensure()
    with EtcdCluster() as etcd:
        yield Kubernetes(tmp_path, free_port(), etcd)


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("role", ["api", "keyhole"])
def test_a_role_of_the_chart_serves_read_only_and_without_rights(
    image: Path, kubernetes: Kubernetes, role: str
) -> None:
    with kubernetes.container(image, role) as container:
        until(lambda: answers(kubernetes.url("/readyz")), 60, f"{role} is ready")
        assert container.health().returncode == 0
        status = Path(f"/proc/{container.first}/status").read_text()
        assert "Uid:\t10001\t10001\t10001\t10001" in status
        assert "CapBnd:\t0000000000000000" in status
        assert container.run("touch", "/opt/bwvisu/x", "/tmp/x").returncode != 0
        assert container.memory() < 256 * 2**20
        if role == "api":
            said = httpx2.get(kubernetes.url("/metrics"), timeout=5).text.splitlines()
            bundles = [path for path in (ROOT / "job_templates").iterdir() if path.is_dir()]
            assert {"bwvisu_broken_applications 0.0", f"bwvisu_applications {len(bundles)}.0"} <= set(said)
        assert container.stop() == 0


def test_the_standby_runs_and_the_health_check_leaves_it_alone(image: Path, kubernetes: Kubernetes) -> None:
    with kubernetes.container(image, "reconciler") as container:
        until(lambda: b"starting" in container.log.read_bytes(), 60, "the reconciler starts")
        assert container.health().returncode == 0
        assert container.stop() == 0


def test_it_is_small_and_holds_no_compiler_and_no_pip(image: Path) -> None:
    root = image / "image"
    size = subprocess.run(["du", "-xsm", root], check=True, capture_output=True, text=True).stdout
    assert int(size.split()[0]) <= MOST
    programs = {path.name for folder in ("usr/bin", "opt/bwvisu/bin") for path in (root / folder).iterdir()}
    assert not programs & {"gcc", "cc", "pip", "pip3", "git", "curl"}
    assert "bwvisu" in programs


def test_the_portals_scripts_and_translations_are_in_it(image: Path) -> None:
    (portal,) = (image / "image" / "opt" / "bwvisu" / "lib").glob("python3*/site-packages/bwvisu/portal")
    assert (portal / "static" / "vendor" / "htmx.min.js").is_file()
    assert {path.name for path in portal.glob("locale/*/LC_MESSAGES/*")} >= {"messages.mo"}
