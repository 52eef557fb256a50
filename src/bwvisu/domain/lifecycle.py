"""The life of a job as one table: (phase, event) -> phase.

Users see a `State`; the leader keeps a finer `Phase`.  What is not in the table is impossible and raises.
``docs/lifecycle.md`` is drawn from here.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What users see; the names are the API's contract."""

    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    RUNNING = "running"
    AVAILABLE = "available"
    COMPLETING = "completing"
    FINISHED = "finished"


class Outcome(StrEnum):
    """How a finished job ended; the names are the API's contract."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    NODE_FAILED = "node_failed"
    REJECTED = "rejected"
    LOST = "lost"


class Phase(StrEnum):
    """Where a job is, as the leader knows it."""

    NEW = "new"
    """Stored; no submission was begun."""
    SUBMITTING = "submitting"
    """The intent of an attempt is stored; whether Slurm has the job is not known yet."""
    QUEUED = "queued"
    """Slurm has it and did not start it."""
    RUNNING = "running"
    """Slurm started it; not all of its services answer."""
    READY = "ready"
    """All its services answer."""
    ENDING = "ending"
    """Slurm is ending it, or was told to."""
    FINISHED = "finished"
    """Over.  Nothing leads out of here."""

    @property
    def state(self) -> State:
        """What users see of this phase."""
        return STATES[self]


class Event(StrEnum):
    """What can happen to a job."""

    INTENT = "intent stored"
    UNSENT = "surely not submitted"
    SUBMITTED = "Slurm has it"
    REFUSED = "refused"
    STARTED = "Slurm started it"
    READY = "services answer"
    UNREADY = "a service stopped answering"
    REQUEUED = "Slurm requeued it"
    ENDING = "ending"
    ENDED = "ended"


STATES: Mapping[Phase, State] = MappingProxyType(
    {
        Phase.NEW: State.ACCEPTED,
        Phase.SUBMITTING: State.ACCEPTED,
        Phase.QUEUED: State.SUBMITTED,
        Phase.RUNNING: State.RUNNING,
        Phase.READY: State.AVAILABLE,
        Phase.ENDING: State.COMPLETING,
        Phase.FINISHED: State.FINISHED,
    }
)

TRANSITIONS: Mapping[tuple[Phase, Event], Phase] = MappingProxyType(
    {
        (Phase.NEW, Event.INTENT): Phase.SUBMITTING,
        (Phase.NEW, Event.REFUSED): Phase.FINISHED,
        (Phase.NEW, Event.ENDED): Phase.FINISHED,
        (Phase.SUBMITTING, Event.INTENT): Phase.SUBMITTING,
        (Phase.SUBMITTING, Event.UNSENT): Phase.NEW,
        (Phase.SUBMITTING, Event.SUBMITTED): Phase.QUEUED,
        (Phase.SUBMITTING, Event.REFUSED): Phase.FINISHED,
        (Phase.SUBMITTING, Event.ENDED): Phase.FINISHED,
        (Phase.QUEUED, Event.STARTED): Phase.RUNNING,
        (Phase.QUEUED, Event.ENDING): Phase.ENDING,
        (Phase.QUEUED, Event.ENDED): Phase.FINISHED,
        (Phase.RUNNING, Event.READY): Phase.READY,
        (Phase.RUNNING, Event.REQUEUED): Phase.QUEUED,
        (Phase.RUNNING, Event.ENDING): Phase.ENDING,
        (Phase.RUNNING, Event.ENDED): Phase.FINISHED,
        (Phase.READY, Event.UNREADY): Phase.RUNNING,
        (Phase.READY, Event.REQUEUED): Phase.QUEUED,
        (Phase.READY, Event.ENDING): Phase.ENDING,
        (Phase.READY, Event.ENDED): Phase.FINISHED,
        (Phase.ENDING, Event.REQUEUED): Phase.QUEUED,
        (Phase.ENDING, Event.ENDED): Phase.FINISHED,
    }
)


class IllegalTransition(Exception):
    """The table has no such step: a defect of ours, never of the world."""


def after(phase: Phase, event: Event) -> Phase:
    """The phase that follows; raises `IllegalTransition` where the table has none."""
    try:
        return TRANSITIONS[phase, event]
    except KeyError:
        raise IllegalTransition(f"{event.value!r} cannot happen to a job that is {phase.value}") from None
