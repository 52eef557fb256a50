"""What the audit trail says of a job that asked for ports."""

from bwvisu.domain.audit import Result
from bwvisu.reconcilers.keyhole_host import answers
from keyhole.domain import Forward, Grant, GrantPhase, JobForwards, Refusal

ID = "01jd0000000000000000000000"
NOTHING = JobForwards(job_id=ID)


def granted(phase: GrantPhase, port: int = 50_000) -> JobForwards:
    forward = Forward(external_port=port, internal_host="node1", internal_address="10.0.0.1", internal_port=port)
    grant = Grant(
        attempt=1, restart=0, gateway="gw1", external_host="gw1", hosts=("node1",), forwards=(forward,), phase=phase
    )
    return JobForwards(job_id=ID, grants=(grant,))


def refused(code: str) -> JobForwards:
    return JobForwards(job_id=ID, refusals={"1.0": Refusal(code=code, message="No.")})


def test_a_way_is_told_of_when_it_is_open_and_once() -> None:
    assert answers(NOTHING, granted(GrantPhase.RESERVED)) == []
    assert answers(granted(GrantPhase.RESERVED), granted(GrantPhase.OPEN)) == [(Result.ACCEPTED, None)]
    assert answers(granted(GrantPhase.OPEN), granted(GrantPhase.OPEN)) == []
    assert answers(granted(GrantPhase.OPEN), granted(GrantPhase.OPEN, 50_001)) == [(Result.ACCEPTED, None)]
    assert answers(granted(GrantPhase.OPEN), granted(GrantPhase.CLOSING)) == []


def test_the_end_of_what_was_granted_is_no_refusal() -> None:
    over = refused("not-wanted").refusals
    closing = granted(GrantPhase.CLOSING).model_copy(update={"refusals": over})
    gone = refused("not-wanted")
    assert answers(granted(GrantPhase.OPEN), closing) == []
    assert answers(closing, gone) == []


def test_a_refusal_is_told_of_with_its_code_and_once() -> None:
    assert answers(NOTHING, refused("foreign-host")) == [(Result.REFUSED, "foreign-host")]
    assert answers(refused("foreign-host"), refused("foreign-host")) == []
    assert answers(refused("port-pool-exhausted"), refused("not-wanted")) == [(Result.REFUSED, "not-wanted")]


def test_a_way_that_has_moved_says_so() -> None:
    (old,) = granted(GrantPhase.CLOSING).grants
    (new,) = granted(GrantPhase.RESERVED).grants
    moving = JobForwards(job_id=ID, grants=(old, new.model_copy(update={"gateway": "gw2"})))
    there = JobForwards(job_id=ID, grants=(old, new.model_copy(update={"gateway": "gw2", "phase": GrantPhase.OPEN})))
    assert answers(granted(GrantPhase.OPEN), moving) == []
    assert answers(moving, there) == [(Result.ACCEPTED, "moved")]
