"""Mounts of hosts stay in the hosts, also where this program runs in a chroot.

``unshare`` makes a new namespace's mounts private from "/" downwards.  In a chroot "/" is no mount point, so that
cannot be done: there, hosts are started in a private copy of the chroot's root, made once for the instance.
"""

from pathlib import Path

from bwvisu.sandbox.runner import check, run


def _mount_points() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def in_chroot() -> bool:
    """Whether "/" is no mount point."""
    return "/" not in _mount_points()


def unshare() -> list[str]:
    """How a command in a mount namespace of its own begins."""
    return ["unshare", "--mount", "--propagation", "unchanged" if in_chroot() else "private"]


def prepare(folder: Path) -> None:
    """In a chroot: make ``folder/root``, the root in which hosts are started; elsewhere nothing."""
    if not in_chroot():
        return
    root = folder / "root"
    root.mkdir()
    check(["mount", "--bind", "/", str(root)])
    # before anything is mounted below it, or that would appear in every copy of "/"
    check(["mount", "--make-private", str(root)])
    for part in ("proc", "sys", "dev"):
        check(["mount", "--rbind", f"/{part}", str(root / part)])
    check(["mount", "--make-rprivate", str(root)])


def take_away(folder: Path) -> None:
    """Undo ``prepare``, as far as it got."""
    for point in reversed(_mount_points()):
        if point.startswith(f"{folder}/"):
            run(["umount", "--lazy", point])
