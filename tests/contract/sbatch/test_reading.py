"""What sbatch takes from a script, by its own account (``sbatch -vvv``), against what we assume."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bwvisu.adapters.batch_script import DIRECTIVE_TEXT, Access, JobFacts, render
from bwvisu.adapters.directives import problems

CONFIGURATION = """\
ClusterName=nowhere
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=1
AuthType=auth/none
MessageTimeout=1
NodeName=localhost
PartitionName=all Nodes=ALL
"""
Read = Callable[[str], list[str]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """The arguments that sbatch finds in a script.  Its controller is a closed port: nothing is submitted."""
    configuration = tmp_path / "slurm.conf"
    configuration.write_text(CONFIGURATION)

    def reader(script: str) -> list[str]:
        environment = {"PATH": "/usr/bin:/bin", "SLURM_CONF": str(configuration)}
        done = subprocess.run(
            ["sbatch", "-vvv"], input=script, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode != 0
        return re.findall(r'Found in script, argument "(.*)"$', done.stderr, re.MULTILINE)

    return reader


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.from_regex(DIRECTIVE_TEXT, fullmatch=True), min_size=20, max_size=40))
def test_text_that_may_stand_in_a_directive_stays_one_argument(read: Read, texts: list[str]) -> None:
    lines = [f"#SBATCH --comment={{{{ p{number} }}}} --time=1" for number in range(len(texts))]
    parameters = {f"p{number}": text for number, text in enumerate(texts)}
    job = JobFacts("id", "alice", "test", "main")
    script = render("\n".join(["#!/bin/sh", *lines, "true", ""]), parameters, job, Access("-"), lambda _: "")
    assert read(script) == [word for text in texts for word in (f"--comment={text}", "--time=1")]


def test_values_are_assigned_after_the_last_directive(read: Read) -> None:
    text = "x #SBATCH --array=1-9"
    template = "#!/bin/sh\n#SBATCH --time=1\n\n# a comment\n#SBATCH --nodes=2\necho {{ text }}\n"
    script = render(template, {"text": text}, JobFacts("id", "alice", "test", "main"), Access("-"), lambda _: "")
    assert read(script) == ["--time=1", "--nodes=2"]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("#SBATCH --nodes=2 # --array=1", ["--nodes=2"]),
        ("#SBATCHX --nodes=2", ["X", "--nodes=2"]),
        (r"#SBATCH --comment=x\ --array=1", ["--comment=x", "--array=1"]),
        ("#SBATCH --jo=x", ["--jo=x"]),
        ("#SBATCH -Hofile", ["-Hofile"]),
        ("#BSUB -q queue", ["-q", "queue"]),
    ],
)
def test_sbatch_obeys_what_we_refuse(read: Read, line: str, arguments: list[str]) -> None:
    """If this fails, a newer sbatch reads otherwise: see what `directives` should say then."""
    assert read(f"#!/bin/sh\n{line}\ntrue\n") == arguments


@pytest.mark.parametrize("line", ["", "\t", "# a comment", "  # indented"])
def test_sbatch_reads_on_after_blanks_and_comments(read: Read, line: str) -> None:
    script = f"#!/bin/sh\n{line}\n#SBATCH --nodes=2\ntrue\n"
    assert read(script) == ["--nodes=2"]
    assert problems(script.split("\n")) == []


@pytest.mark.parametrize("line", ["true", "x='\n"])
def test_sbatch_stops_reading_where_we_say_so(read: Read, line: str) -> None:
    script = f"#!/bin/sh\n{line}\n#SBATCH --nodes=2\n'\n"
    assert read(script) == []
    assert any("stops reading" in problem for problem in problems(script.split("\n")))
