"""Compute nodes, as a test job saw them.  Pure."""

import re
from collections.abc import Iterator, Sequence

from bwvisu.doctor import programs
from bwvisu.doctor.batch import Seen
from bwvisu.doctor.findings import ROOT, SETTINGS, Finding, fault, ok, unknown
from bwvisu.doctor.login import judge_clock

_OLDEST_PYTHON = (3, 6)


def judge(
    seen: Seen, urls: Sequence[str], ports: tuple[int, int], home: str, began: float, ended: float
) -> Iterator[Finding]:
    """What is asked of the node; ``began`` and ``ended``: between what times of our clock it told so."""
    if not seen.python:
        yield fault("python", "there is no python3 in a job's PATH", ROOT, programs.install("python3"))
        for check in ("home", "log", "clock", "keyhole", "reserved-ports"):
            yield unknown(check, "only python3 can tell")
        return
    yield _python(seen)
    if seen.home:
        yield ok("home", f"{home} is there and writable")
    else:
        yield fault("home", f"the job could not write to {home} on {seen.node}", ROOT, f"mount {home}")
    if seen.log:
        yield ok("log", "Slurm writes the job's log there")
    else:
        yield fault("log", f"Slurm made no log in {home}", ROOT, f"df {home}; ls -ld {home}")
    yield judge_clock(str(seen.clock), began, ended)
    yield from _keyhole(seen, urls)
    yield _reserved(seen, ports)


def _python(seen: Seen) -> Finding:
    parts = tuple(int(part) for part in seen.python.split(".")[:2] if part.isdecimal())
    if parts < _OLDEST_PYTHON:
        detail = f"python3 is {seen.python}; 3.6 or newer is needed"
        return fault("python", detail, ROOT, programs.install("python3"))
    return ok("python", seen.python)


def _keyhole(seen: Seen, urls: Sequence[str]) -> Iterator[Finding]:
    """One finding for all addresses: a job tries them in turn, and each must do."""
    failed = [(url, words) for url, words in zip(urls, seen.keyhole, strict=True) if words]
    if not failed:
        yield ok("keyhole", ", ".join(urls) or "none is named")
        return
    url, words = failed[0]
    host = re.sub(r"^\w+://(?:\[([^\]]*)\]|([^:/]*)).*$", r"\1\2", url)
    detail = "; ".join(f"{url}: {words}" for url, words in failed)
    match words.partition(":")[0]:
        case "name":
            yield fault("keyhole", detail, ROOT, f"echo 'ADDRESS {host}' >>/etc/hosts   # or in DNS")
        case "connect":
            line = f"iptables -I OUTPUT -p tcp -d {host} -j ACCEPT   # and start `bwvisu serve keyhole` there"
            yield fault("keyhole", detail, ROOT, line)
        case "tls":
            line = "keyhole: {ca_file: /etc/bwvisu/ca.pem}   # who signed the keyhole's certificate, for this very name"
            yield fault("keyhole", detail, SETTINGS, line)
        case _:
            yield fault("keyhole", detail, SETTINGS, "keyhole: {public_urls: [...]}   # no keyhole answers there")


def _reserved(seen: Seen, ports: tuple[int, int]) -> Finding:
    first, last = ports
    low, high = max(first, seen.span[0]), min(last, seen.span[1])
    kept = [tuple(map(int, re.findall(r"\d+", part)[:2])) for part in seen.kept.split(",") if part.strip()]
    spans = [(part[0], part[-1]) for part in kept if part]
    if low > high or any(a <= low and high <= b for a, b in spans):
        return ok("reserved-ports", f"{first}-{last} are kept for applications")
    lines = (
        f"sysctl -w net.ipv4.ip_local_reserved_ports={first}-{last}",
        f"echo 'net.ipv4.ip_local_reserved_ports = {first}-{last}' >>/etc/sysctl.d/90-bwvisu.conf",
    )
    return fault("reserved-ports", f"outgoing connections may take {low}-{high}", ROOT, *lines)
