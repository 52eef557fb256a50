"""What users type, through every application that we ship, as real jobs see it; and what never becomes a job.

The applications' programs are stand-ins in the users' homes (`tests/support/witness.py`): all of the way is real, from
the API's checks over sbatch and the client to the script and the arguments that it gives.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bwvisu.adapters.bundles import Bundle, Catalogue
from bwvisu.cli.local import shipped_applications
from bwvisu.domain.examples import HOSTILE
from bwvisu.sandbox import Sandbox
from tests.support import witness
from tests.support.hostile import SEED, drawn
from tests.support.stand_ins import stand_ins
from tests.support.world import Person, address, fetch, service_in, slurm_jobs

TEXTS: Mapping[str, str] = {
    "alice": HOSTILE[0],
    "bob": '#SBATCH --array=1-9 #KEYHOLE-REQUEST-PORTS 9 ü日本\U0001f600 \xa0${HOME}" ; touch pwned # '
    'EOF JSON HTML \\\' "$(touch pwned)" $bwvisu_value_0 $1 !! [a-z] {a..c} \\',
    "carol": drawn(SEED),
}
"""A text for each of three people, since people may have few jobs of an application at once; the last one is another
at each run."""
NEVER = ("a\n#SBATCH --array=1-9", "a\r\ntouch pwned", "a\0b", "$(touch pwned)")
"""The last is no harm as a name of a file or as a text, and is refused wherever a value has a form."""
PROGRAMS = ("apptainer", "python", "tigervncpasswd", "websockify", "xpra", "Xtigervnc", "Xvfb")
PROFILE = """\
export BWVISU_NOVNC_HOME=$HOME/seen BWVISU_TERMINAL_HOME=$HOME/stand-ins BWVISU_XORG_IMAGE=$HOME/seen/vnc.html
export BWVISU_XPRA_HTML5_HOME=$HOME/seen
"""
"""Where the applications look for what is no program."""


def catalogue() -> list[Bundle]:
    shipped = Catalogue(shipped_applications())
    shipped.refresh()
    return list(shipped.all())


BUNDLES = catalogue()


@pytest.fixture(scope="module")
def client(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with service_in(sandbox, tmp_path_factory.mktemp("hostile")) as service, service.client() as client:
        service.start()
        service.wait_until_ready(120)
        yield client


@pytest.fixture
def homes(sandbox: Sandbox) -> Iterator[None]:
    """Each person has stand-ins for all programs, and a folder that bears the person's text."""
    print(f"HOSTILE_SEED={SEED}: {TEXTS['carol']!r}")  # pytest shows it where the test fails
    sandbox.run("node3", ["mkdir", "-pm", "1777", "/tmp/.X11-unix"])  # systemd's work, where there is one
    programs = dict.fromkeys(PROGRAMS, Path(witness.__file__).read_text())
    make = 'cd && mkdir -p seen "$1"/file && touch seen/index.html seen/vnc.html'
    with ExitStack() as stack:
        for user, text in TEXTS.items():
            stack.enter_context(stand_ins(sandbox, user, programs, PROFILE))
            assert sandbox.run("cmd1", ["sh", "-c", make, "sh", text], user=user).returncode == 0
            stack.callback(sandbox.run, "cmd1", ["sh", "-c", 'cd && rm -r seen "$1"', "sh", text], user=user)
        yield


def given(bundle: Bundle, text: str) -> dict[str, Any]:
    """The text wherever it may stand; and resources that no text may change."""
    values = {"image": f"{text}/file", "directory": text, "folder": f"/{text}", "text": f"-n {text}", "file": text}
    wanted: dict[str, Any] = {**values, "minutes": 10, "cores": 3, "memory": 2}
    return {name: value for name, value in wanted.items() if name in bundle.application.parameters}


def test_every_shipped_application_gets_the_very_text_and_no_more(
    client: httpx2.Client, sandbox: Sandbox, homes: None
) -> None:
    people = [Person(client, user) for user in TEXTS]
    jobs = [
        (person, bundle, person.submit(bundle.name, **given(bundle, TEXTS[person.user])))
        for person in people
        for bundle in BUNDLES
    ]
    for person, bundle, job_id in jobs:
        wanted = given(bundle, TEXTS[person.user])
        if bundle.name == "page":
            seen_on_the_page(sandbox, person.wait(job_id, "available"), wanted)
            person.cancel(job_id)
        job = person.wait(job_id, "finished")
        if bundle.name != "page":
            assert (job["outcome"], job["exit_code"]) == ("completed", 0), client.get(f"/api/v1/jobs/{job_id}/log").text
            seen_by_programs(sandbox, job, wanted)
        asked_of_slurm(sandbox, job, wanted)
    for user in TEXTS:
        touched = sandbox.run("cmd1", ["find", f"/home/{user}", "-name", "*pwned", "-type", "f"]).stdout
        assert touched == "", "something was executed"


def seen_on_the_page(box: Sandbox, job: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """The application `page` tells what its shell was given."""
    shown = json.loads(fetch(box, f"{address(job)}/env.json"))
    assert {name: shown[name] for name in ("text", "file")} == {name: wanted[name] for name in ("text", "file")}


def seen_by_programs(box: Sandbox, job: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """The image and the folder are arguments, whole and in their places; the directory is where the program starts."""
    home, number = f"/home/{job['user']}", job["slurm"]["job_id"]
    shown = box.run("cmd1", ["sh", "-c", f"cat {home}/seen/{number}.*"])
    seen = [json.loads(line) for line in shown.stdout.splitlines()]
    assert seen, shown.stderr
    if "image" in wanted:
        images = {wanted["image"], f"{home}/{wanted['image']}"}  # one of them asks for the whole path
        calls = [each["argv"] for each in seen]
        binds = [argv[at - 2 : at] for argv in calls for at, word in enumerate(argv) if word in images]
        assert binds
        assert all(bind == ["--bind", wanted["folder"]] for bind in binds)
    if "directory" in wanted:
        assert {each["cwd"] for each in seen} == {f"{home}/{wanted['directory']}"}


def asked_of_slurm(box: Sandbox, job: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """One job, of its owner, with the resources that were chosen."""
    assert len(slurm_jobs(box, job["id"], ended=True)) == 1
    shown = box.run("cmd2", ["scontrol", "show", "job", "-o", str(job["slurm"]["job_id"])]).stdout
    words = dict(word.partition("=")[::2] for word in shown.split())
    assert words["UserId"].partition("(")[0] == job["user"]
    chosen = {"NumNodes": "1", "TimeLimit": "00:10:00", "Partition": "batch", "NumCPUs": str(wanted.get("cores", 1))}
    memory = {"MinMemoryNode": "2G"} if "memory" in wanted else {}
    assert {name: words[name] for name in chosen | memory} == chosen | memory
    assert not [word for word in words if word.startswith("Array")]


@pytest.mark.parametrize("bundle", BUNDLES, ids=[bundle.name for bundle in BUNDLES])
@pytest.mark.parametrize("value", NEVER, ids=["line feed", "carriage return", "NUL", "no such form"])
def test_what_no_parameter_may_be_is_refused_at_once_for_each_of_them(
    client: httpx2.Client, bundle: Bundle, value: str
) -> None:
    free = {"text", "file", "image", "directory"} if value == NEVER[-1] else set()
    parameters = dict.fromkeys(bundle.application.parameters.keys() - free, value)
    body = {"user": "alice", "application": bundle.name, "parameters": parameters}
    response = client.post("/api/v1/jobs", json=body)
    assert response.status_code == 422
    assert {error["pointer"] for error in response.json()["errors"]} == {f"/parameters/{name}" for name in parameters}
