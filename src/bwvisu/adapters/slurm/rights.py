"""What the service does by sudo on a command node: lines of sudoers are made from this, and compared with it.

The programs of a submission and a cancellation are read off their own command lines; those of a look and of another
time limit stand in their texts behind ``"$@"``, which a test holds this module to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bwvisu.adapters.slurm import cancel
from bwvisu.adapters.slurm.submission import Submission, sbatch

USERS = "%users"
"""Stands for all whose jobs may be started."""
LOOK, EXTEND = "squeue", "scontrol"
TIME_LIMIT = "^update JobId=[1-9][0-9]{0,9} TimeLimit=[1-9][0-9]{0,5}$"
"""Arguments that sudo (1.9.10 or newer) lets through to `EXTEND`: a regular expression over all of them."""
ENVIRONMENT = ("SLURM_TIME_FORMAT", "SQUEUE_FORMAT2")
"""Variables that sudo must leave to `LOOK`."""


@dataclass(frozen=True, slots=True)
class Right:
    """One program, run as one account."""

    run_as: str
    """`USERS`, or an account."""
    program: str
    arguments: str = ""
    """A regular expression of sudoers; empty: any."""


def command_node(look_as: str | None, extend_as: str | None) -> tuple[Right, ...]:
    """Everything that sudo must let through there, and nothing else.  None: that is not done by sudo."""
    nobody = Submission(user="nobody", home="/", job_name="-", output="/dev/null", script=b"#!")
    found = [Right(USERS, _program(sbatch(nobody))), Right(USERS, _program(cancel.command(1, "nobody", "-", 1).argv))]
    if look_as:
        found.append(Right(look_as, LOOK))
    if extend_as:
        found.append(Right(extend_as, EXTEND, TIME_LIMIT))
    return tuple(found)


def _program(argv: Sequence[str]) -> str:
    """What follows ``sudo -n -u ACCOUNT``."""
    sudo, _, _, _, program, *_ = argv
    if sudo != "sudo":
        raise ValueError(f"not run by sudo: {argv!r}")
    return program
