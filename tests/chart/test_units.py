"""systemd takes the units of `deploy/systemd`, one for each role, and finds little that they are exposed to."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bwvisu.roles import Role
from scripts.environment import ROOT

UNITS = ROOT / "deploy" / "systemd"
ROLES = sorted(role.value for role in Role if role is not Role.ALL)
EXPOSURE = 20
"""Tenths that `systemd-analyze security` may give: 100 is a service without any bounds."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with systemd's own targets, ours, and a program where they look for it."""
    folder = tmp_path / "usr/lib/systemd/system"
    folder.mkdir(parents=True)
    for target in Path("/usr/lib/systemd/system").glob("*.target"):  # not what else is installed here
        shutil.copy(target, folder, follow_symlinks=False)
    (tmp_path / "lib").symlink_to("usr/lib")
    shutil.copytree(UNITS, tmp_path / "etc/systemd/system")
    program = tmp_path / "opt/bwvisu/bin/bwvisu"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return tmp_path


def systemd(program: str, root: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, f"--root={root}", *argv], check=False, capture_output=True, text=True)


def test_each_role_has_one() -> None:
    assert sorted(path.stem for path in UNITS.glob("*.service")) == [f"bwvisu-{role}" for role in ROLES]
    for role in ROLES:
        text = (UNITS / f"bwvisu-{role}.service").read_text()
        assert f"serve {role} " in text
        assert f"User=bwvisu-{role}\n" in text


def test_they_differ_in_nothing_else() -> None:
    texts = {(UNITS / f"bwvisu-{role}.service").read_text().replace(role, "ROLE") for role in ROLES}
    bodies = {"\n".join(line for line in text.splitlines() if not line.startswith("Description=")) for text in texts}
    assert len(bodies) == 1


@pytest.mark.parametrize("role", ROLES)
def test_systemd_takes_it(root: Path, role: str) -> None:
    done = systemd("systemd-analyze", root, "verify", "--man=no", f"bwvisu-{role}.service")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_key_that_systemd_does_not_know_would_be_told(root: Path) -> None:
    unit = root / "etc/systemd/system/bwvisu-api.service"
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHomes="))
    assert "Unknown key" in systemd("systemd-analyze", root, "verify", "--man=no", unit.name).stderr


@pytest.mark.parametrize("role", ROLES)
def test_it_is_exposed_to_little(root: Path, role: str) -> None:
    bound = ("--offline=yes", f"--threshold={EXPOSURE}", f"bwvisu-{role}.service")
    done = systemd("systemd-analyze", root, "security", *bound)
    assert done.returncode == 0, done.stdout


def test_the_accounts_can_be_made(root: Path) -> None:
    done = systemd("systemd-sysusers", root, "--dry-run", str(UNITS / "bwvisu.conf"))
    assert done.returncode == 0, done.stderr
    assert "not a valid" not in done.stderr
    assert all(f"bwvisu-{role}" in done.stderr + done.stdout for role in ROLES)
