"""Every application that we ship: sound, quoted, and showing exactly what it was given."""

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from bwvisu.adapters.batch_script import Access, JobFacts, render
from bwvisu.adapters.bundles import Bundle, Catalogue
from bwvisu.domain.application import Form
from tests.support.waiting import free_port, until

FOLDER = Path(__file__).parents[3] / "job_templates"
PASSWORD = "passwordpassword"
VARIANTS: Mapping[str, list[dict[str, object]]] = {
    "desktop": [{}, {"memory": 4, "gpus": 2, "partition": "gpu"}, {"image": "a b.sif", "gpus": 1, "folder": "/a b"}],
    "page": [{}, {"nodes": 2, "tasks": 3, "partition": "gpu", "file": "a b"}],
    "jupyter": [
        {},
        {"gpus": 1, "directory": "a b", "module": "jupyter/4"},
        {"image": "a b.sif", "gpus": 1, "folder": "/a b"},
    ],
    "paraview": [{}, {"module": "paraview/5.13", "memory": 8}, {"image": "a b.sif", "gpus": 1, "folder": "/a b"}],
    "rstudio": [{}, {"module": "rstudio"}, {"image": "a b.sif", "gpus": 1, "folder": "/a b"}],
    "terminal": [{}, {"memory": 4, "partition": "gpu", "directory": "a b; id"}],
    "vistle": [{}, {"module": "vistle", "nodes": 4}, {"image": "a b.sif", "gpus": 1, "folder": "/a b"}],
    "xorg-gpu": [{}, {"gpus": 2, "module": "vmd"}, {"image": "a b.sif", "folder": "/a b"}],
    "xpra": [
        {},
        {"application": "gnuplot-qt --persist", "module": "gnuplot/6.0", "nodes": 2, "memory": 4, "partition": "gpu"},
        {"image": "a b.sif", "gpus": 1, "folder": "/a b"},
    ],
}
SHIPPED = sorted(VARIANTS)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    catalogue = Catalogue(FOLDER)
    catalogue.refresh()
    return catalogue


def scripts(bundle: Bundle, port: int = 40000) -> list[str]:
    return [script(bundle, parameters, port) for parameters in VARIANTS[bundle.name]]


def script(bundle: Bundle, parameters: Mapping[str, object], port: int) -> str:
    job = JobFacts("01jd00000000000000000000aa", "alice", bundle.name, "main")
    values = bundle.check(parameters)
    ports = f"export KEYHOLE_ADDRESS=0.0.0.0 KEYHOLE_PORT0={port}"
    return render(bundle.source.template, values, job, Access(PASSWORD), lambda _: ports)


@contextmanager
def running(text: str, folder: Path) -> Iterator[None]:
    """The script as a job would run it; ended as Slurm ends it, and then nothing of it may be left."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder)}
    (folder / "script").write_text(text)
    job = subprocess.Popen(["bash", str(folder / "script")], env=environment, cwd=folder, start_new_session=True)
    try:
        yield
        job.send_signal(signal.SIGTERM)
        assert job.wait(timeout=60) == 143
        assert [path.name for path in folder.iterdir()] == ["script"]
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()


def fetch(url: str) -> str:
    """The page, as soon as it is there."""
    pages: list[str] = []

    def there() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # loopback
                pages.append(answer.read().decode())
        except OSError:  # URLError is one; others come bare when the server is just about to listen
            return False
        return True

    until(there, 20, f"an answer from {url}")
    return pages[0]


def test_all_are_sound(catalogue: Catalogue) -> None:
    assert dict(catalogue.problems) == {}
    assert {bundle.name for bundle in catalogue.all()} == set(SHIPPED)
    assert all((FOLDER / bundle.name / "README.md").is_file() for bundle in catalogue.all())


def test_one_person_has_few_of_each_but_of_the_page_that_tries_a_cluster_out(catalogue: Catalogue) -> None:
    limits = {bundle.name: bundle.application.limits.per_user for bundle in catalogue.all()}
    assert limits.pop("page") is None
    assert all(limit is not None and 2 <= limit <= 8 for limit in limits.values())


@pytest.mark.parametrize("name", SHIPPED)
def test_bash_and_shellcheck_have_nothing_to_say(catalogue: Catalogue, name: str) -> None:
    """SC2016: a value's quoted text may hold what looks like an expression, and is meant not to expand."""
    shellcheck = shutil.which("shellcheck")
    assert shellcheck, "apt-get install shellcheck"
    for text in scripts(catalogue.get(name)):
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
        command = [shellcheck, "--shell=bash", "--exclude=SC2016", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_password_is_nobodys_argument_or_address(catalogue: Catalogue, name: str) -> None:
    """It stands in one assignment; whoever uses it is a builtin of the shell."""
    for text in scripts(catalogue.get(name)):
        assert text.count(PASSWORD) <= 1
    connect = catalogue.get(name).application.connect
    assert not isinstance(connect, Form) or "{password}" not in connect.action


HOSTILE = "a'b\"c $(touch pwned) `touch pwned` \\ ${HOME} <script>alert(1)</script> & ; # ü \U0001f600 {{ x }} *"


def test_the_page_shows_the_very_text_and_escapes_it(catalogue: Catalogue, tmp_path: Path) -> None:
    port = free_port()
    given = {"text": HOSTILE, "flag": True, "number": -2.5, "file": "a b/$(id)", "minutes": 7}
    with running(script(catalogue.get("page"), given, port), tmp_path):
        seen = json.loads(fetch(f"http://127.0.0.1:{port}/env.json"))
        page = fetch(f"http://127.0.0.1:{port}/")
        assert not list(tmp_path.rglob("pwned"))
    shown = {name: seen[name] for name in given}
    assert shown == {"text": HOSTILE, "flag": "true", "number": "-2.5", "file": "a b/$(id)", "minutes": "7"}
    assert seen["KEYHOLE_PORT0"] == str(port)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_the_page_is_nobody_elses_to_read_on_disk(catalogue: Catalogue, tmp_path: Path) -> None:
    port = free_port()
    with running(script(catalogue.get("page"), {}, port), tmp_path):
        fetch(f"http://127.0.0.1:{port}/")
        modes = {path.stat().st_mode & 0o077 for path in tmp_path.iterdir() if path.is_dir()}
    assert modes == {0}


def test_a_terminal_without_its_server_says_what_to_do(catalogue: Catalogue, tmp_path: Path) -> None:
    text = script(catalogue.get("terminal"), {}, 40000)
    environment = {"PATH": "/usr/bin:/bin", "BWVISU_TERMINAL_HOME": str(tmp_path)}
    done = subprocess.run(["bash"], input=text, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{tmp_path}/bin/python is missing" in done.stderr
    assert "install.sh" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_installer_is_sound_and_refuses_a_folder_of_something_else(tmp_path: Path) -> None:
    installer = FOLDER / "terminal" / "install.sh"
    assert subprocess.run(["shellcheck", str(installer)], check=False).returncode == 0
    (tmp_path / "precious").write_text("data")
    done = subprocess.run([installer, tmp_path], capture_output=True, text=True, check=False)
    assert (done.returncode, (tmp_path / "precious").read_text()) == (1, "data")
    assert "holds something else" in done.stderr
    assert subprocess.run([installer, "relative"], capture_output=True, check=False).returncode == 2
