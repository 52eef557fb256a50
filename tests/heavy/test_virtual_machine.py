"""docs/virtual-machine.md, word for word, on a fresh Debian 12: install, backup, restore, upgrade and rollback.

The machine is a root filesystem of debootstrap in namespaces of its own, with its own etcd on loopback.  It has no
systemd as process 1: `systemctl` is a stand-in that starts each unit's ExecStart as its account, without its bounds.
"""

import json
import re
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import yaml

from scripts import image
from scripts.environment import ROOT

pytestmark = pytest.mark.timeout(1800)
PAGE = (ROOT / "docs" / "virtual-machine.md").read_text()
BLOCK = re.compile(r"<!-- run by: tests/heavy/test_virtual_machine\.py -->\n```bash\n(.*?)```", re.DOTALL)
UNITS = ("bwvisu-api", "bwvisu-keyhole", "bwvisu-reconciler")
SOURCES = ("pyproject.toml", "constraints.txt", "constraints-image.txt", "hatch_build.py", "README.md", "LICENSE")
FOLDERS = ("deploy", "frontend", "job_templates", "src")

SYSTEMCTL = r"""#!/usr/bin/python3
import os, pathlib, shlex, signal, subprocess, sys, time

def unit(name):
    text = pathlib.Path(f"/etc/systemd/system/{name}.service").read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

def start(name):
    stop(name)
    said = unit(name)
    user, group = said["User"], said.get("Group", said["User"])
    command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", "--no-new-privs",
               "--bounding-set=-all", "--inh-caps=-all", *shlex.split(said["ExecStart"])]
    log = open(f"/var/log/{name}.log", "ab")
    environment = {"PATH": "/usr/bin:/bin", **dict(pair.split("=", 1) for pair in said.get("Environment", "").split())}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                               start_new_session=True)
    pathlib.Path(f"/run/{name}.pid").write_text(str(process.pid))

def stop(name):
    path = pathlib.Path(f"/run/{name}.pid")
    if not path.exists():
        return
    pid = int(path.read_text())
    os.kill(pid, signal.SIGTERM)
    while pathlib.Path(f"/proc/{pid}/exe").is_symlink() and " Z " not in pathlib.Path(f"/proc/{pid}/stat").read_text():
        time.sleep(0.05)
    path.unlink()

verb, *names = [word for word in sys.argv[1:] if word != "--now"]
for name in names:
    {"start": start, "enable": start, "restart": start, "stop": stop}[verb](name)
"""
ETCD = """[Service]
User=etcd
ExecStart=/usr/bin/etcd --name etcd1 --data-dir /var/lib/etcd/bwvisu
"""
KEYSCAN = '#!/bin/sh\nfor host; do echo "$host ssh-ed25519 AAAA"; done\n'
"""No login node is here to be asked for its key."""


class Machine:
    """A shell of root inside, for as long as the block; all that it starts ends with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        inside = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        isolated = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-euc", image.CHROOT, "vm"]
        self._argv = [*isolated, str(root), *inside, "sh", "-c", "ip link set lo up; cd /source; exec sh"]

    def __enter__(self) -> Self:
        self._shell = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shell.kill()
        self._shell.wait()

    def attempt(self, commands: str) -> tuple[int, str]:
        """Exit code and words of commands, the first of which that fails ends them."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        end = f"END-{secrets.token_hex(4)}"
        self._shell.stdin.write(f"(set -eu\n{commands}\n) </dev/null; echo {end} $?\n")
        self._shell.stdin.flush()
        said: list[str] = []
        for line in self._shell.stdout:
            if line.startswith(end):
                return int(line.split()[1]), "".join(said)
            said.append(line)
        raise AssertionError("".join(said))

    def do(self, commands: str) -> str:
        """What commands print; they must go well."""
        code, said = self.attempt(commands)
        logs = "\n".join(path.read_text()[-2000:] for path in (self.root / "var/log").glob("bwvisu-*.log"))
        assert code == 0, f"{commands}\n{said}\n{logs}"
        return said

    def serves(self) -> None:
        """Wait until the roles with a port are ready, and all three run as their accounts."""
        for port in (4242, 4243):
            self.do(f"for i in $(seq 600); do {_GET.format(port)} && break; sleep 0.1; done; {_GET.format(port)}")
        accounts = self.do("for unit in " + " ".join(UNITS) + "; do stat -c %U /proc/$(cat /run/$unit.pid); done")
        assert accounts.split() == list(UNITS)


_GET = "python3 -c \"import urllib.request as r; r.urlopen('http://127.0.0.1:{}/readyz', timeout=5)\" 2>/dev/null"


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A fresh Debian with this repository, the stand-ins, and what the first block asks for: it needs a network."""
    with tempfile.TemporaryDirectory(prefix="bwv-vm-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o755)
        stage = image.Stage(image.base_of(Path(folder)), folder="/source")
        image.lend(stage.root)
        source = stage.root / "source"
        source.mkdir()
        for name in SOURCES:
            shutil.copy(ROOT / name, source)
        for name in FOLDERS:
            unwanted = shutil.ignore_patterns("__pycache__", "node_modules", "*.mo", "vendor")
            shutil.copytree(ROOT / name, source / name, ignore=unwanted)
        stage.environment["NODE_EXTRA_CA_CERTS"] = "/etc/ssl/certs/ca-certificates.crt"
        image.run(stage, ["sh", "-euc", BLOCK.findall(PAGE)[0]])
        more = "apt-get install --yes --no-install-recommends etcd-server iproute2 openssh-client systemd"
        image.run(stage, ["sh", "-euc", more])
        for name, text in (("systemctl", SYSTEMCTL), ("ssh-keyscan", KEYSCAN)):
            program = stage.root / "usr/local/sbin" / name
            program.write_text(text)
            program.chmod(0o755)
        (stage.root / "etc/systemd/system/etcd.service").write_text(ETCD)
        (stage.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        yield stage.root


def test_the_page_from_install_to_rollback(root: Path) -> None:
    _, accounts, settings, backup, lost, again, upgrade, rollback = BLOCK.findall(PAGE)
    shown = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    with Machine(root) as machine:
        machine.do("systemctl start etcd")
        machine.do(accounts)
        (root / "etc/bwvisu/bwvisu.yaml").write_text(shown[0])
        assert "good; clusters: main" in machine.do(settings)
        machine.serves()
        assert machine.attempt("setpriv --reuid=bwvisu-api --clear-groups cat /etc/bwvisu/ssh/id_ed25519")[0] != 0
        installation = "ETCDCTL_API=3 etcdctl get --print-value-only /bwvisu/v1/installation"
        before = yaml.safe_load(machine.do(installation))
        assert (before["generation"], before["release"]) == (1, "0.1.0")
        machine.do(backup)
        machine.do("ETCDCTL_API=3 etcdctl put /later 1")

        machine.do(lost)
        assert machine.do("ETCDCTL_API=3 etcdctl get /later") == ""
        assert "generation: 1 -> " in machine.do(again)
        machine.serves()
        after = yaml.safe_load(machine.do(installation))
        assert (after["id"], after["generation"] > 10**9) == (before["id"], True)

        machine.do("cp --archive /opt/bwvisu-0.1.0 /opt/bwvisu-9.9.9; ln -sfn bwvisu-9.9.9 /opt/bwvisu")
        machine.do(upgrade)
        machine.serves()
        machine.do(rollback)
        machine.serves()
        assert machine.do("readlink /opt/bwvisu") == "bwvisu-0.1.0\n"

        future = json.dumps({**after, "release": "9.9.9", "store_format": 2})
        machine.do(f"ETCDCTL_API=3 etcdctl put /bwvisu/v1/installation '{future}'")
        code, said = machine.attempt("bwvisu serve api --config /etc/bwvisu/bwvisu.yaml")
        assert (code, "release 9.9.9 of bwVisu has made it its own" in said) == (4, True)
