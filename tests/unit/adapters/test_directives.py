"""What a template may ask of sbatch."""

import pytest

from bwvisu.adapters.directives import problems


@pytest.mark.parametrize(
    "lines",
    [
        ["#SBATCH --time={{ minutes }} --nodes=2", "#SBATCH -p gpu -n4", "# SBATCH --array=1", "true"],
        ["#SBATCH --comment='a b' # --array=1 is a comment"],
        ["{% if x %}#SBATCH --mem=4G{% endif %}", "#SBATCH --signal=B:USR1@60", "#SBATCH -H --gres=gpu:1"],
        ["true", 'echo "#SBATCH --array=1"'],
    ],
)
def test_ordinary_directives_pass(lines: list[str]) -> None:
    assert problems(["#!/bin/bash", *lines]) == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("#SBATCH --chdir=/tmp", "--chdir is not possible: bwVisu sets it"),
        ("#SBATCH -D /tmp", "--chdir"),
        ("#SBATCH --job-name=x", "--job-name"),
        ("#SBATCH --jo=x", "--job-name"),
        ("#SBATCH\t-Jx", "--job-name"),
        ("#SBATCH -Ho file", "--output"),
        ("#SBATCH -n1 --export ALL", "--export"),
        ("#SBATCH --requeue", "--requeue"),
        ("#SBATCH --array=1-9", "exactly one Slurm job"),
        ("#SBATCH -a 1", "exactly one Slurm job"),
        ("#SBATCH --clusters=other", "exactly one Slurm job"),
        ("#SBATCH hetjob", "exactly one Slurm job"),
        ("#SBATCH --uid=0", "--uid"),
        ("{% if x %}#SBATCH --array=1{% endif %}", "--array"),
        ("#SBATCHX --nodes=3", "followed by a blank"),
        ("#SBATCH --comment='a", "quotes are not closed"),
        ("#PBS -N x", "sbatch would obey #PBS"),
        ("#BSUB -q x", "sbatch would obey #BSUB"),
    ],
)
def test_what_would_break_a_job_is_reported_with_its_line(line: str, complaint: str) -> None:
    (problem,) = problems(["#!/bin/bash", line])
    assert problem.startswith("job.sh.j2, line 2: ")
    assert complaint in problem


@pytest.mark.parametrize("command", ["set -e", "#KEYHOLE-REQUEST-PORTS 1"])
def test_a_directive_that_sbatch_never_reads_is_reported(command: str) -> None:
    assert problems(["#!/bin/bash", "# a comment", "  # indented", "", command, "#SBATCH -n1"]) == [
        "job.sh.j2, line 6: sbatch stops reading at the first command; move #SBATCH up"
    ]
