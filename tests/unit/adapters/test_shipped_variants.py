"""The applications that we ship, out of a container and out of a module: what is started then, and with what.

None of their programs is here; one stand-in for all of them (`tests/support/witness.py`) notes how it was called.
"""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bwvisu.adapters.bundles import Catalogue
from tests.support import witness
from tests.support.waiting import until
from tests.unit.adapters.test_shipped_bundles import FOLDER, PASSWORD, script

SCREENS = ("Xtigervnc", "tigervncpasswd", "websockify", "xpra", "Xvfb", "apptainer")
"""What a node has beside the application."""
RUNS: Mapping[str, tuple[str, list[str]]] = {
    "desktop": ("run", []),
    "jupyter": ("exec", ["jupyter", "lab"]),
    "paraview": ("exec", ["python3"]),
    "rstudio": ("exec", ["rserver"]),
    "vistle": ("exec", ["vistle", "--batch"]),
    "xorg-gpu": ("run", []),
    "xpra": ("run", []),
}
"""How each has its image run; the first words of what is run in it."""
BRINGS = {"jupyter": "jupyter", "paraview": "python3", "rstudio": "rserver", "vistle": "vistle"} | dict.fromkeys(
    ("xorg-gpu", "xpra"), "xterm"
)
"""The program that each takes from its module."""
DISPLAYS = Path("/tmp/.X11-unix")
MODULE = "Vendor_1/4.2.0-GCC+12"
LOADS = '() { printf "%s\\n" "$#" "$@" >>"$HOME/module"; PATH=$HOME/brought:$PATH; }'
FAILS = '() { printf "%s\\n" "$#" "$@" >>"$HOME/module"; echo "Unable to locate a modulefile" >&2; return 1; }'
"""As Lmod and Environment Modules hand their function down to other shells of bash, by `export -f`."""


@dataclass(frozen=True, slots=True)
class Node:
    """A compute node with stand-ins, and the home of who has a job there."""

    home: Path
    work: Path
    """Its temporary folder and where jobs start: nothing may stay there."""

    def install(self, *programs: str, folder: str) -> None:
        """Stand-ins, in a folder of the home."""
        (self.home / folder).mkdir(exist_ok=True)
        for program in programs:
            shutil.copy(witness.__file__, self.home / folder / program)
            (self.home / folder / program).chmod(0o755)

    @contextmanager
    def running(self, name: str, given: Mapping[str, object], **more: str) -> Iterator[subprocess.Popen[str]]:
        """A job of an application, with further variables; whatever happens, it is over afterwards."""
        catalogue = Catalogue(FOLDER)
        catalogue.refresh()
        (self.home / "script").write_text(script(catalogue.get(name), given, 40000))
        home = str(self.home)
        pages = dict.fromkeys(("BWVISU_NOVNC_HOME", "BWVISU_XPRA_HTML5_HOME"), f"{home}/pages")
        own = {"HOME": home, "TMPDIR": str(self.work), "PATH": f"{home}/node:/usr/bin:/bin", "KEYHOLE_GATEWAY0": "gw"}
        slurm = {"SLURM_JOB_ID": str(os.getpid()), "BWVISU_XORG_IMAGE": f"{home}/xorg.sif"}
        command, pipe = ["bash", str(self.home / "script")], subprocess.PIPE
        with subprocess.Popen(
            command, env=own | pages | slurm | more, cwd=self.work, stderr=pipe, text=True, start_new_session=True
        ) as job:
            try:
                yield job
            finally:
                if job.poll() is None:
                    os.killpg(job.pid, signal.SIGKILL)

    def calls(self) -> list[dict[str, Any]]:
        """Of all stand-ins."""
        return [json.loads(note.read_text()) for note in (self.home / "seen").glob("[!.]*")]

    def end(self, job: subprocess.Popen[str]) -> None:
        """As Slurm ends it; nothing of it may be left."""
        job.send_signal(signal.SIGTERM)
        assert job.wait(60) == 143
        assert list(self.work.iterdir()) == []


@pytest.fixture
def node(tmp_path: Path) -> Node:
    found = Node(tmp_path / "home", tmp_path / "work")
    for folder in (found.work, found.home / "seen", found.home / "pages"):
        folder.mkdir(parents=True)
    for page in ("index.html", "vnc.html"):
        (found.home / "pages" / page).touch()
    (found.home / "xorg.sif").touch()
    if not DISPLAYS.is_dir():  # systemd's work, where there is one
        DISPLAYS.mkdir()
        DISPLAYS.chmod(0o1777)
    found.install(*SCREENS, folder="node")
    return found


def binds(argv: list[str]) -> list[str]:
    """What a container sees beside the home."""
    return [after for word, after in pairwise(argv) if word == "--bind"]


@pytest.mark.parametrize("name", RUNS)
@pytest.mark.parametrize("gpus", [1, 0], ids=["gpu", "no-gpu"])
def test_a_container_gets_the_gpus_and_the_folders(node: Node, name: str, gpus: int) -> None:
    gpus = gpus or (2 if name == "xorg-gpu" else 0)  # that one has no job without
    image = node.home / "an image.sif"
    image.touch()
    given = {"image": str(image), "gpus": gpus, "folder": "/data/a b"}
    how, what = RUNS[name]

    def started() -> list[list[str]]:
        calls = [call["argv"] for call in node.calls() if str(image) in call["argv"]]
        return [argv for argv in calls if argv[-1] != "import paraview"]

    with node.running(name, given, WITNESS_STAYS="1") as job:
        until(lambda: started() or job.poll() is not None, 20, "the container is started")
        (argv,) = started()
        private, *folders = binds(argv)
        assert Path(private).is_dir()
        calls = node.calls()
        node.end(job)
    assert argv[:2] == ["apptainer", how]
    assert ("--nv" in argv) == (gpus > 0)
    at = argv.index(str(image))
    assert folders[-1] == "/data/a b" == argv[at - 1]
    assert all(folder.startswith(f"{private}/") for folder in folders[:-1])
    assert argv[at + 1 : at + 1 + len(what)] == what
    assert what or argv[at + 1 :] == []
    assert Path(private).parent == node.work
    assert not any(PASSWORD in " ".join(call["argv"]) for call in calls)


def test_the_accelerated_screen_is_a_container_with_the_gpu_the_cookie_and_the_displays(node: Node) -> None:
    """Without the folder of the displays nobody would find its socket; the cookie lies in the private folder."""
    node.install("xterm", folder="node")
    with node.running("xorg-gpu", {}, WITNESS_STAYS="1") as job:
        until(lambda: [call for call in node.calls() if call["argv"][0] == "xterm"], 20, "the application is started")
        calls = [call["argv"] for call in node.calls()]
        node.end(job)
    xorg = str(node.home / "xorg.sif")
    asked, screen = sorted((argv for argv in calls if xorg in argv), key=lambda argv: argv[1])
    assert asked[1:5] == ["exec", "--nv", xorg, "nvidia-smi"]
    assert screen[1:3] == ["run", "--nv"]
    private, displays = binds(screen)
    assert (Path(private).parent, displays) == (node.work, str(DISPLAYS))
    options = screen[screen.index(xorg) + 1 :]
    assert f"{private}/xauthority" == options[options.index("-auth") + 1]
    assert not (DISPLAYS / f"X{options[0].removeprefix(':')}").exists()


def test_each_that_has_a_module_is_tried_below() -> None:
    catalogue = Catalogue(FOLDER)
    catalogue.refresh()
    assert {each.name for each in catalogue.all() if "module" in each.application.parameters} == set(BRINGS)
    assert {each.name for each in catalogue.all() if "image" in each.application.parameters} == set(RUNS)


@pytest.mark.parametrize(("name", "program"), BRINGS.items())
def test_a_module_is_loaded_by_its_very_name_and_its_program_taken(node: Node, name: str, program: str) -> None:
    node.install(program, folder="node")
    node.install(program, folder="brought")
    variables = {"WITNESS_STAYS": "1", "BASH_FUNC_module%%": LOADS}

    def started() -> set[str]:
        return {call["path"] for call in node.calls() if call["argv"][0] == program and "-c" not in call["argv"]}

    with node.running(name, {"module": MODULE}, **variables) as job:
        until(lambda: started() or job.poll() is not None, 20, "its program is started")
        assert started() == {str(node.home / "brought" / program)}
        node.end(job)
    assert (node.home / "module").read_text().splitlines() == ["2", "load", MODULE]


@pytest.mark.parametrize(("name", "program"), BRINGS.items())
@pytest.mark.parametrize("function", [FAILS, ""], ids=["fails", "none"])
def test_without_its_module_no_other_version_is_started(node: Node, name: str, program: str, function: str) -> None:
    """A node without modules, too: what it has under the same name is not what was asked for."""
    node.install(program, folder="node")
    variables = {"BASH_FUNC_module%%": function} if function else {}
    with node.running(name, {"module": MODULE}, **variables) as job:
        said = job.communicate(timeout=60)[1]
    assert job.returncode == 1
    assert f"{name}: the module {MODULE} cannot be loaded on " in said.splitlines()[-1]
    assert node.calls() == []
    assert list(node.work.iterdir()) == []
