"""One table of exit codes: complete, in the help, in the documentation."""

from pathlib import Path

from typer.testing import CliRunner

from bwvisu.cli.exits import MEANINGS, Exit
from bwvisu.cli.program import app

ROOT = Path(__file__).resolve().parents[3]


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Exit)


def test_the_help_tells_them_all() -> None:
    for command in ([], ["job"]):
        words = " ".join(CliRunner().invoke(app, [*command, "--help"]).stdout.split())
        assert all(f"{code.value} {meaning}" in words for code, meaning in MEANINGS.items())


def test_the_documentation_tells_them_all() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"| {code.value} | {meaning} |" in page for code, meaning in MEANINGS.items())
