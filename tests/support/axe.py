"""axe-core, which looks for what keeps people from using a page: loaded into the page by the browser's own door."""

import fcntl
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

import hatch_build

EVERYTHING = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
COLOURS = ("color-contrast", "link-in-text-block")
"""What another colour scheme may break."""
_RUN = """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]})"""


@cache
def source() -> str:
    """The script, of the version that `frontend/package-lock.json` names."""
    script = hatch_build.FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
    with (Path(tempfile.gettempdir()) / "bwvisu-frontend.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.is_file():
            hatch_build.install()
    return script.read_text()


def violations(page: Page, rules: Sequence[str] = EVERYTHING) -> list[str]:
    """What is wrong with the page as it is now, each with the elements; empty: nothing."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(source())
    found: dict[str, Any] = page.evaluate(_RUN, list(rules))
    return [
        f"{each['id']} ({each['help']}): " + " | ".join(_where(node) for node in each["nodes"])
        for each in found["violations"]
    ]


def _where(node: dict[str, Any]) -> str:
    messages = "; ".join(check["message"] for check in node["any"] + node["all"] + node["none"])
    return f"{' '.join(map(str, node['target']))}: {messages}"
