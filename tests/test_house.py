"""The house keeps its own rules: contracts that bite, a lock that is current, nothing committed that must not be."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from keyhole.embedding import ClientConfig, embed
from scripts import faults
from scripts.suites import GROUPS, MINUTE, budget
from tests.simulation.mutants import MUTANTS

ROOT = Path(__file__).resolve().parent.parent
CRIMES = {  # at least one for each contract
    "bwvisu/adapters": "import keyhole.api",
    "bwvisu/domain": "import time, bwvisu.planning",
    "bwvisu/portal": "import bwvisu.services",
    "bwvisu/portal/pages": "import ldap",
    "bwvisu/reconcilers": "import asyncssh",
    "bwvisu/services": "import bwvisu.adapters.ssh",
    "keyhole/nat": "import bwvisu.errors, keyhole.reconciler",
}
IMAGE = "constraints-image.txt"
TOOLS = ("scripts/generators/constraints.txt", "scripts/packaging/constraints.txt")
FORBIDDEN = {
    "the address of a package registry": r"\b(pypi|pythonhosted|npmjs|yarnpkg|debian|crates|anaconda)\.(org|com|io)\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY",
}


def committed(suffix: str = "") -> list[Path]:
    """Every file under version control whose name ends in ``suffix``."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [path for name in listing.split("\0") if name.endswith(suffix) and (path := ROOT / name).is_file()]


def test_every_import_contract_bites(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package, line in CRIMES.items():
        (tmp_path / "src" / package / "planted.py").write_text(f"{line}\n")
    lint: list[Path | str] = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(lint, cwd=tmp_path, env={"PYTHONPATH": "src"}, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Contracts: 0 kept" in done.stdout, done.stdout


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_committed_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    assert [path for path in committed() if pattern.search(path.read_text(errors="replace"))] == []


def test_no_python_file_has_grown_to_400_lines() -> None:
    assert [path for path in committed(".py") if len(path.read_text().splitlines()) >= 400] == []


def test_every_fault_has_a_test_named_after_it() -> None:
    assert faults.without_tests() == []


def test_the_client_runs_on_the_standard_library_alone() -> None:
    tree = ast.parse(embed(ClientConfig(job_id="", attempt=1, key="", urls=(), ports=1)))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "." for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def asked_for(lock: str) -> list[str]:
    """What the lock was resolved from."""
    if lock in TOOLS:
        asked = (ROOT / lock).with_name("requirements.in").read_text()
        return [line for line in asked.splitlines() if not line.startswith("#")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["ldap" if lock == IMAGE else "dev"]]


def locked(lock: str) -> dict[str, str]:
    """Name and version of each package."""
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / lock).read_text(), re.MULTILINE))


def test_the_image_has_the_versions_that_were_tested() -> None:
    assert locked(IMAGE).items() <= locked("constraints.txt").items(), "run `make lock`"


@pytest.mark.parametrize("lock", ["constraints.txt", IMAGE, *TOOLS])
def test_the_lock_holds_every_dependency_in_a_version_that_is_asked_for(lock: str) -> None:
    versions = locked(lock)
    wanted = map(Requirement, asked_for(lock))
    stale = [str(one) for one in wanted if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"))]
    assert stale == [], "run `make lock`"


def test_links_between_documents_lead_somewhere() -> None:
    pages = [path for path in committed(".md") if ROOT / "docs" in path.parents or path.parent == ROOT]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_every_threat_is_answered_by_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    table = page[page.index("## Threats") : page.index("**What is not answered.**")]
    shown = [row.split(" | ")[-1] for row in table.splitlines() if row.startswith("| ")][2:]
    assert len(shown) > 20
    named = [name for cell in shown for name in re.findall(r"`([a-z][a-z_/]*(?:\.py)?)`", cell)]
    assert [name for name in named if not (ROOT / "tests" / name).exists()] == []
    assert [cell for cell in shown if "`" not in cell and "](" not in cell] == []


def test_the_budgets_of_make_test_keep_its_promise() -> None:
    assert sum(budget(stage) for stage in GROUPS["test"]) <= 45 * MINUTE


def test_every_mutant_finds_the_place_that_it_changes() -> None:
    """`make mutants` takes an hour: that a safeguard's text has moved is told here."""
    places = [
        (each.name, (ROOT / "src" / each.file).read_text().count(old)) for each in MUTANTS for old, _ in each.changes
    ]
    assert [name for name, times in places if times != 1] == []
