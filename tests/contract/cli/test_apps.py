"""``bwvisu app lint``, ``render`` and ``import-ood`` as people run them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support.program import piped
from tests.unit.adapters.lint.test_lint import APP, ICON, TEMPLATE

SHIPPED = Path(__file__).parents[3] / "job_templates"
JUPYTER = Path(__file__).parents[2] / "support" / "ondemand" / "jupyter"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "apps" / "editor"
    folder.mkdir(parents=True)
    texts = {"app.yaml": APP, "job.sh.j2": TEMPLATE, "icon.svg": ICON, "README.md": "# Editor\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def test_a_folder_of_bundles_is_looked_over(bundle: Path) -> None:
    for path in (bundle, bundle.parent):
        done = piped("app", "lint", "--strict", str(path))
        assert (done.returncode, done.stderr) == (0, "")
        assert [line.split()[:2] for line in done.stdout.splitlines()] == [["Application", "Level"], ["editor", "good"]]
    told = json.loads(piped("app", "lint", str(SHIPPED), "--json").stdout)
    assert {each["application"] for each in told} >= {"page", "terminal"}
    assert all(each["good"] and each["shellcheck"] and each["scripts"] for each in told)


def test_errors_are_a_table_and_a_code(bundle: Path) -> None:
    (bundle / "README.md").unlink()
    assert piped("app", "lint", str(bundle)).returncode == 0
    assert piped("app", "lint", "--strict", str(bundle)).returncode == 1
    (bundle / "job.sh.j2").write_text(TEMPLATE + "if true\n\x1b[2J")
    done = piped("app", "lint", str(bundle))
    assert done.returncode == 1
    assert done.stdout.splitlines()[1].split()[:4] == ["editor", "error", "shell-syntax", "job.sh.j2"]
    (told,) = json.loads(piped("app", "lint", str(bundle), "--json").stdout)
    assert not told["good"]
    assert {"level", "rule", "file", "line", "message"} == set(told["findings"][0])
    assert "\x1b" not in done.stdout


def test_a_missing_shellcheck_is_said_and_strictly_refused(bundle: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "bash").symlink_to("/bin/bash")
    done = piped("app", "lint", str(bundle), PATH=str(tools))
    assert (done.returncode, done.stderr) == (0, "shellcheck is missing: apt-get install shellcheck\n")
    assert "no-shellcheck" in done.stdout
    assert piped("app", "lint", "--strict", str(bundle), PATH=str(tools)).returncode == 1


def test_where_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "holds no application"), (tmp_path / "x", "is no folder")):
        done = piped("app", "lint", str(path))
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr


def test_a_script_is_printed_as_slurm_would_get_it(bundle: Path) -> None:
    argv = ("app", "render", str(bundle), "-p", "minutes=7", "--param", "text=a b; $(id)", "-p", "fast=true")
    done = piped(*argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("#!/bin/bash\n#SBATCH --time=7\n# bwVisu asks its keyhole for 1 port(s)")
    assert "\nbwvisu_value_0='a b; $(id)'\n" in done.stdout
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True, check=False).returncode == 0
    brief = piped(*argv, "--brief").stdout
    assert "it asks for 1 port(s)" in brief
    assert len(brief.splitlines()) < 10


def test_values_are_judged_as_the_api_judges_them(bundle: Path) -> None:
    app = APP.replace("type: integer, ", "type: integer, label: Run time, ")
    (bundle / "app.yaml").write_text(app.replace("default: 5}", "default: 5, clusters: {small: {maximum: 10}}}"))
    for argv, words in (
        (("-p", "minutes=99"), "Run time: minutes must be at most 60\n"),
        (("-p", "minutes=11", "--cluster", "small"), "Run time: minutes must be at most 10\n"),
        (("-p", "minute=1"), "--param minute: there is no parameter 'minute'; did you mean 'minutes'?\n"),
    ):
        done = piped("app", "render", str(bundle), *argv)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", words)
    (bundle / "app.yaml").write_text("title: [")
    assert piped("app", "render", str(bundle)).returncode == 1


def test_the_command_tells_file_by_file(tmp_path: Path) -> None:
    done = piped("app", "import-ood", str(JUPYTER), "--into", str(tmp_path), "--name", "notebook")
    assert done.returncode == 0
    assert done.stderr == f"written: {tmp_path}/notebook; next: bwvisu app lint {tmp_path}/notebook\n"
    assert done.stdout.splitlines()[0].split("  ")[0] == "File"
    assert "form.js" in done.stdout
    again = piped("app", "import-ood", str(JUPYTER), "--into", str(tmp_path), "--name", "notebook")
    assert (again.returncode, again.stderr) == (1, f"{tmp_path}/notebook is there already\n")
    told = json.loads(piped("app", "import-ood", str(JUPYTER), "--into", str(tmp_path), "--json").stdout)
    assert (told["application"], told["files"]["view.html.erb"]) == ("jupyter", "translated")
    assert [note["number"] for note in told["notes"] if note["number"]] == [1, 2]
    assert piped("app", "import-ood", str(JUPYTER), "--name", "../x").returncode == 2
    assert piped("app", "import-ood", str(tmp_path / "nowhere")).returncode == 1
