"""An instance's folder: its number, options and locks.  Everything that the sandbox remembers lies here."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from bwvisu.sandbox.render import File
from bwvisu.sandbox.runner import SandboxError, check
from bwvisu.sandbox.topology import INSTANCES, Leg, Options, Topology

BASE = Path("/run/bwvisu-sandbox")
BULK = Path("/var/lib/bwvisu-sandbox")
"""Hosts' disks and homes: Debian's /run is small and forbids programs.  Links in the instance's folder lead here."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, which is made if need be and may be deleted while the lock is held."""
    while True:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _still_there(folder, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _still_there(folder: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(folder.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def folder_of(name: str) -> Path:
    """Where the instance of this name lies."""
    return BASE / Options(name).name


def read(name: str) -> tuple[Topology, bool] | None:
    """What is recorded of an instance, and whether its ``up`` ever ended well; None where there is no record."""
    try:
        state = json.loads((folder_of(name) / "state.json").read_text())
    except FileNotFoundError:
        return None
    known = {field.name for field in fields(Options)}  # another release's instance may have options of its own
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value  # JSON has no tuples
        for name, value in state["options"].items()
        if name in known
    }
    return Topology(state["number"], Options(**options)), state["complete"]


def write(topology: Topology, *, complete: bool) -> None:
    """Record an instance; a reader sees the old or the new record, never half of one."""
    folder = folder_of(topology.options.name)
    state = {"number": topology.number, "complete": complete, "options": asdict(topology.options)}
    (folder / "state.json.new").write_text(json.dumps(state, indent=1) + "\n")
    (folder / "state.json.new").rename(folder / "state.json")


def names() -> list[str]:
    """All recorded instances."""
    return sorted(path.parent.name for path in BASE.glob("*/state.json"))


def claim(options: Options) -> Topology:
    """Record a new instance under a number that no other instance and no route of this machine uses."""
    with locked(BASE):
        used = {recorded[0].number for name in names() if (recorded := read(name))}
        routes = _routes()
        for number in range(INSTANCES):
            topology = Topology(number, options)
            if number not in used and not any(topology.network(leg).overlaps(r) for leg in Leg for r in routes):
                folder_of(options.name).mkdir(mode=0o700, exist_ok=True)
                write(topology, complete=False)
                _make_bulk(options.name)
                return topology
    raise SandboxError(f"all {INSTANCES} sandbox networks are in use")


def _make_bulk(name: str) -> None:
    shutil.rmtree(BULK / name, ignore_errors=True)  # of before this machine's last boot, which empties /run only
    for part in ("hosts", "home"):
        (BULK / name / part).mkdir(mode=0o755, parents=True)
        (BASE / name / part).symlink_to(BULK / name / part)
    BULK.chmod(0o700)


def _routes() -> list[IPv4Network]:
    shown = json.loads(check(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    return [IPv4Network(route["dst"]) for route in shown if route["dst"] != "default"]


def forget(name: str) -> None:
    """Delete the instance's folder, and the one of all instances with the last."""
    with locked(BASE):
        for base in (BULK, BASE):
            shutil.rmtree(base / name, ignore_errors=True)
            if base.exists() and not any(base.iterdir()):
                base.rmdir()


def store(folder: Path, files: dict[str, File]) -> None:
    """Write files below a folder with their modes, never readable by others for a moment."""
    for name, file in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:  # noqa: PTH123
            out.write(file.text)
        path.chmod(file.mode)
