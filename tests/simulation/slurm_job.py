"""What Slurm knows of a job, of its owner and of its nodes: plain values of the double."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """An account of the cluster."""

    name: str
    uid: int
    groups: tuple[str, ...] = ()
    allowed: bool = True
    """sudo lets the service act as this user."""

    @property
    def home(self) -> str:
        """Where jobs start."""
        return f"/home/{self.name}"


USERS = (
    User("alice", 20001, ("bwvisu-users", "project")),
    User("bob", 20002, ("bwvisu-users",)),
    User("carol", 20003, ("bwvisu-users",)),
    User("mallory", 20004, (), allowed=False),
)
"""As in the sandbox."""


@dataclass(frozen=True, slots=True)
class Request:
    """What sbatch asks of slurmctld."""

    user: str
    name: str
    script: bytes = field(default=b"#!/bin/sh\n", repr=False)
    partition: str = "batch"
    time_limit: int | None = 3600
    """Seconds; None: unlimited."""
    nodes: int = 1
    on: tuple[str, ...] = ()
    """Only on these nodes (``--nodelist``)."""
    hold: bool = False
    requeue: bool = False
    output: str = "/dev/null"


class RefusedError(Exception):
    """slurmctld says no, in these words."""


@dataclass(slots=True, eq=False)
class Job:
    """One job.  ``state`` is Slurm's base state, ``completing`` the flag beside it (``JOB_COMPLETING``)."""

    job_id: int
    uid: int
    request: Request
    submit_time: int
    state: str = "PENDING"
    reason: str = "None"
    completing: bool = False
    hosts: tuple[str, ...] = ()
    """The first one runs the batch script."""
    start_time: int | None = None
    end_time: int | None = None
    restarts: int = 0
    """Raised when a requeue is asked for, while the run before it is still completing (measured, 22.05)."""
    status: int = 0
    """Raw wait status: exit code 3 is 768, a death by SIGTERM 15."""
    run: int = 0
    """`SLURM_RESTART_COUNT` of the run that has processes, or had them last."""
    alive: bool = False
    """This run has processes."""
    wedged: bool = False
    """Nothing ends its processes: it is COMPLETING for ever once it is to end."""
    held: bool = False
    unreported: bool = False
    """The script is over, and its node could not tell slurmctld yet."""
    turn: int = 0
    """Counts steps of its life, so that a timer of an earlier one does nothing."""
    entered: float = 0.0
    """Loop time of its submission."""
    began: float = 0.0
    """Loop time of the present run's start."""

    @property
    def user(self) -> str:
        """Who submitted it; the account may be gone."""
        return self.request.user

    @property
    def name(self) -> str:
        """As it was given: it may hold anything."""
        return self.request.name

    @property
    def shown(self) -> str:
        """The state in one word, as squeue and scontrol print it."""
        return "COMPLETING" if self.completing else self.state

    @property
    def over(self) -> bool:
        """Whether it will never run again."""
        return self.state not in {"PENDING", "CONFIGURING", "RUNNING"} and not self.completing


@dataclass(slots=True)
class Compute:
    """A compute node."""

    name: str
    slots: int = 64
    """Jobs that it takes at once."""
    up: bool = True
    """It has power."""
    cut: bool = False
    """Nobody reaches it; its processes go on."""
    down: bool = False
    """slurmctld has noticed."""
    silent_since: float | None = None
    """Loop time since when slurmctld hears nothing of it."""

    @property
    def reachable(self) -> bool:
        """Whether slurmctld can talk to its slurmd."""
        return self.up and not self.cut


HOSTILE_NAMES = (
    "$(reboot)",
    "bwv",
    "x|y|z",
    "x\nCOMPLETED",
    "x JobState=COMPLETED ExitCode=0:0\n UserId=alice(20001)",
    "1|alice|COMPLETED|0|0|batch|1|1|1|1:00|node1|None|bwv-",
    "\udcff\udcfe",
    "",
)
"""Names that users can give their jobs."""
