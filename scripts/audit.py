"""Ask OSV which of the locked packages have known vulnerabilities: Python's and npm's, of bwVisu and of its tools.

usage: audit.py

Exit code 0: none is known; 1: some are, one line for each package; 2: the service could not be asked, so that nothing
is known.
The service is that of pip-audit and `uv audit`, which do not know npm's locks; `OSV_URL` names a mirror of it.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).resolve().parent.parent
SERVICE = "https://api.osv.dev"
ACCEPTED: Mapping[str, str] = {}
"""Ids of vulnerabilities that do not concern us, each with the reason."""
_BATCH = 500
"""Questions at once; OSV takes 1,000."""
_PATIENCE = 30
"""Seconds for each answer."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One locked package, in OSV's words."""

    ecosystem: str
    name: str
    version: str

    @property
    def question(self) -> dict[str, Any]:
        """As OSV's ``querybatch`` takes it."""
        return {"package": {"ecosystem": self.ecosystem, "name": self.name}, "version": self.version}


def locked(root: Path = ROOT) -> list[Package]:
    """Everything that any lock of the repository names, once."""
    found: set[Package] = set()
    for lock in (*root.glob("constraints*.txt"), *root.glob("scripts/*/constraints.txt")):
        pairs = re.findall(r"^([a-z0-9-]+)==([^ ;]+)", lock.read_text(), re.MULTILINE)
        found |= {Package("PyPI", name, version) for name, version in pairs}
    for lock in (root / place for place in ("frontend", "scripts/generators", "tests/support/oidc")):
        packages = json.loads((lock / "package-lock.json").read_text())["packages"]
        found |= {
            Package("npm", path.rpartition("node_modules/")[2], it["version"]) for path, it in packages.items() if path
        }
    return sorted(found)


def known(packages: Sequence[Package], service: str) -> Iterator[tuple[Package, list[str]]]:
    """The packages of which something is known, with its ids.  Raises OSError, ValueError."""
    for begin in range(0, len(packages), _BATCH):
        batch = packages[begin : begin + _BATCH]
        body = json.dumps({"queries": [package.question for package in batch]}).encode()
        request = Request(f"{service}/v1/querybatch", body, {"Content-Type": "application/json"})  # noqa: S310 ours
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310
            results = json.load(answer)["results"]
        for package, result in zip(batch, results, strict=True):
            ids = [each["id"] for each in result.get("vulns", ()) if each["id"] not in ACCEPTED]
            if ids or result.get("next_page_token"):
                yield package, ids


def main() -> int:
    """Print what is known."""
    service, packages = os.environ.get("OSV_URL", SERVICE), locked()
    try:
        found = list(known(packages, service))
    except (OSError, ValueError, KeyError) as error:
        print(
            f"nothing is known: {service} could not be asked about {len(packages)} packages: {error}", file=sys.stderr
        )
        return 2
    for package, ids in found:
        print(f"{package.ecosystem} {package.name} {package.version}: {', '.join(ids)}")
    print(f"{len(packages)} packages, {len(found)} with known vulnerabilities", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
