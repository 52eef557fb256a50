"""The image, made by the Dockerfile's own steps on a plain Debian 12, serves read-only and without rights."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml

from scripts.environment import ROOT
from tests.support.container import Container
from tests.support.etcd import EtcdCluster
from tests.support.waiting import free_port, until

MOST = 300
"""Megabytes that the image may take, Debian's own 100 included."""


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder of `scripts.image`; its place must be open to the image's user."""
    with tempfile.TemporaryDirectory(prefix="bwv-image-", dir="/var/tmp") as folder:
        subprocess.run([sys.executable, "-m", "scripts.image", folder], cwd=ROOT, check=True)
        Path(folder).chmod(0o755)
        yield Path(folder)


def settings_for(folder: Path, etcd: EtcdCluster, port: int) -> Path:
    """What lies in /etc/bwvisu."""
    folder.mkdir()
    server = {"host": "127.0.0.1", "port": port}
    ssh = {"key_file": "/etc/bwvisu/id", "known_hosts": "/etc/bwvisu/known_hosts"}
    main = {"ssh": ssh, "command_nodes": [{"host": "192.0.2.1", "user": "bwvisu"}]}
    settings = {
        "etcd": {"endpoints": etcd.endpoints},
        "api": server,
        "keyhole": server,
        "clusters": {"main": main},
        "applications": {"path": "/opt/bwvisu/applications"},
    }
    (folder / "bwvisu.yaml").write_text(yaml.safe_dump(settings))
    return folder


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=5).is_success
    except httpx2.TransportError:
        return False


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("role", ["api", "keyhole"])
def test_a_role_serves_read_only_and_without_rights(image: Path, tmp_path: Path, role: str) -> None:
    port = free_port()
    with EtcdCluster() as etcd:
        settings = settings_for(tmp_path / "etc", etcd, port)
        with Container(image, settings, tmp_path / "log", "serve", role) as container:
            until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), 60, f"{role} is ready")
            assert container.health().returncode == 0
            status = Path(f"/proc/{container.first}/status").read_text()
            assert "Uid:\t10001\t10001\t10001\t10001" in status
            assert "CapBnd:\t0000000000000000" in status
            assert container.run("touch", "/opt/bwvisu/x", "/tmp/x").returncode != 0
            assert container.memory() < 256 * 2**20
            if role == "api":
                said = httpx2.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text.splitlines()
                bundles = [path for path in (ROOT / "job_templates").iterdir() if path.is_dir()]
                assert {"bwvisu_broken_applications 0.0", f"bwvisu_applications {len(bundles)}.0"} <= set(said)
            assert container.stop() == 0


def test_the_standby_runs_and_the_health_check_leaves_it_alone(image: Path, tmp_path: Path) -> None:
    with EtcdCluster() as etcd:
        settings = settings_for(tmp_path / "etc", etcd, free_port())
        with Container(image, settings, tmp_path / "log", "serve", "reconciler") as container:
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
