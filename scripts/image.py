"""Carry the Dockerfile out without a container engine, as root: each stage becomes a plain root filesystem.

usage: image.py FOLDER

The base image is what debootstrap makes of Debian 12; FOLDER gets a root per stage (`build`, `image`) and the settings
of the last one as `image.json`.  Steps run in mount and PID namespaces of their own; they are lent the machine's way to
the registries (its resolver, its authorities).  What of Dockerfiles is not used in ours is not understood, and raises.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
AUTHORITIES = Path("/usr/local/share/ca-certificates")
CHROOT = """
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1; shift
exec chroot "$root" "$@"
"""
"""Run by sh in new namespaces; $1: the root, then the command."""
SLIM = {
    "etc/apt/apt.conf.d/docker-clean": 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb"; };\n'
    'Dir::Cache::pkgcache "";\nDir::Cache::srcpkgcache "";\n',
    "etc/dpkg/dpkg.cfg.d/docker": "".join(
        f"path-exclude /usr/share/{folder}/*\n" for folder in ("doc", "groff", "info", "lintian", "locale", "man")
    ),
}
"""Debian's slim images keep neither packages nor documentation."""
UNWANTED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/locale", "usr/share/man")
WITHOUT_USE = frozenset({"EXPOSE", "LABEL"})
KEPT = frozenset({"CMD", "ENTRYPOINT", "HEALTHCHECK", "USER"})


@dataclass(slots=True)
class Stage:
    """One root filesystem on its way, and what its image says beside its files."""

    root: Path
    folder: str = "/"
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": os.defpath + ":/usr/sbin:/sbin"})
    said: dict[str, Any] = field(default_factory=dict)


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and argument of each instruction of a Dockerfile; comments and continued lines are resolved."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, argument = line.strip().partition(" ")
            yield name.upper(), re.sub(r"\s+", " ", argument.strip())


def base_of(folder: Path) -> Path:
    """A fresh Debian 12, as the base image is one; about a minute."""
    base = folder / "base"
    argv = ["debootstrap", "--variant=minbase", "bookworm", str(base)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr}")
    for name in UNWANTED:
        shutil.rmtree(base / name)
        (base / name).mkdir()
    for name, text in SLIM.items():
        (base / name).write_text(text)
    return base


def run(stage: Stage, command: Sequence[str]) -> None:
    """Run a command inside, in the stage's folder; raises CalledProcessError."""
    inside = ["env", "-i", f"--chdir={stage.folder}", *(f"{k}={v}" for k, v in stage.environment.items()), *command]
    isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", CHROOT, "image"]
    subprocess.run([*isolated, str(stage.root), *inside], check=True, stdin=subprocess.DEVNULL)


def copy(stage: Stage, argument: str, stages: dict[str, Stage]) -> None:
    """COPY: folders give what they hold, as Docker has it."""
    words = shlex.split(argument)
    place = stages[words.pop(0).removeprefix("--from=")].root if words[0].startswith("--from=") else ROOT
    *sources, target = words
    into = stage.root / os.path.normpath(os.path.join(stage.folder, target)).lstrip("/")  # noqa: PTH118 a path inside
    for source in sources:
        path = place / source.lstrip("/")
        if path.is_dir():
            unwanted = (
                shutil.ignore_patterns("__pycache__", "node_modules", "*.mo", "vendor") if place == ROOT else None
            )
            shutil.copytree(path, into, symlinks=True, dirs_exist_ok=True, ignore=unwanted)
        else:
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, into)


def carry_out(stage: Stage, name: str, argument: str, stages: dict[str, Stage]) -> None:
    """One instruction that is not FROM."""
    match name:
        case "RUN":
            run(stage, ["/bin/sh", "-c", argument])
        case "COPY":
            copy(stage, argument, stages)
        case "WORKDIR":
            stage.folder = argument
            (stage.root / argument.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "ENV":
            stage.environment |= dict(pair.split("=", 1) for pair in shlex.split(argument))
        case _ if name in KEPT:
            stage.said[name] = argument
        case _ if name not in WITHOUT_USE:
            raise SystemExit(f"image.py does not know {name}")


def lend(root: Path) -> None:
    """The machine's resolver and authorities, so that the steps reach the registries."""
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    if AUTHORITIES.is_dir():
        shutil.copytree(AUTHORITIES, root / str(AUTHORITIES).lstrip("/"), dirs_exist_ok=True)


def build(folder: Path) -> Stage:
    """Everything; the last stage is the image."""
    folder.mkdir(parents=True, exist_ok=True)
    base, began = base_of(folder), time.monotonic()
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for name, argument in instructions((ROOT / "Dockerfile").read_text()):
        if name == "ARG":
            continue
        print(f"image: {time.monotonic() - began:4.0f} s  {name} {argument[:90]}", flush=True)
        if name == "FROM":
            called = argument.partition(" AS ")[2] or "image"
            subprocess.run(["cp", "--archive", base, folder / called], check=True)
            stage = stages[called] = Stage(folder / called)
            lend(stage.root)
            stage.environment["NODE_EXTRA_CA_CERTS"] = "/etc/ssl/certs/ca-certificates.crt"
        elif stage is not None:
            carry_out(stage, name, argument, stages)
    if stage is None:
        raise SystemExit("the Dockerfile has no stage")
    del stage.environment["NODE_EXTRA_CA_CERTS"]
    (stage.root / "etc" / "resolv.conf").unlink()
    shutil.rmtree(base)
    (folder / "image.json").write_text(json.dumps({"environment": stage.environment, **stage.said}, indent=2))
    return stage


def main(arguments: Sequence[str]) -> int:
    """Build into the folder of the command line."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    stage = build(Path(arguments[0]).absolute())
    size = subprocess.run(["du", "--summarize", "-xm", stage.root], check=True, capture_output=True, text=True).stdout
    print(f"image: {stage.root}, {size.split()[0]} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
