"""Certificates that the settings name: how long each is good for yet."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from bwvisu.doctor.findings import HERE, Finding, fault, ok, unknown

SOON = timedelta(days=14)
"""Who renews them by hand needs some days; what renews them by itself does so earlier than this."""
_OURS = ("cert_file", "ca_file")
_CHECK = "certificates"


def named(files: Iterable[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Those of the settings' files, by their dotted names, that hold certificates."""
    return [(where, path) for where, path in files if where.endswith(_OURS)]


def judge(files: Iterable[tuple[str, Path]], now: datetime) -> Finding:
    """One finding for all of them.  Files that are not there are somebody else's finding."""
    found = [(where, path) for where, path in named(files) if path.is_file()]
    if not found:
        return ok(_CHECK, "none is named")
    unread, ends = [], []
    for where, path in found:
        try:
            ends.append((min(_ends(path)), where, path))
        except (OSError, ValueError) as error:
            unread.append(f"{where}: {path}: {error}")
    short = sorted(each for each in ends if each[0] - now < SOON)
    if short:
        detail = "; ".join(f"{where}: {path} {_when(end, now)}" for end, where, path in short)
        return fault(_CHECK, detail, HERE, *(f"openssl x509 -noout -enddate -in {path}" for _, _, path in short))
    if unread:
        return unknown(_CHECK, "; ".join(unread))
    return ok(_CHECK, f"{len(ends)}; the first {_when(min(ends)[0], now)}")


def _ends(path: Path) -> Iterator[datetime]:
    for each in x509.load_pem_x509_certificates(path.read_bytes()):
        yield each.not_valid_after_utc


def _when(end: datetime, now: datetime) -> str:
    days = (end - now).days
    return f"ends on {end.astimezone(UTC):%Y-%m-%d}, {f'in {days} days' if end > now else f'{-days} days ago'}"
