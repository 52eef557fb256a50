"""A test job is taken away again, by whatever is known of it."""

from typing import Any

import pytest

from bwvisu.adapters.ssh import Node
from bwvisu.doctor.batch import Config
from bwvisu.doctor.findings import Finding, Verdict
from bwvisu.doctor.job import Bench
from bwvisu.domain.observation import Account, Cancelled, CouldNotLook, Refused, SubmitResult, Submitted, Unknown

CONFIG = Config("/home/alice", (), None, (50000, 50999))
ALICE = Account("alice", 20001, 20001, "/home/alice", ())


class Slurm:
    """Takes jobs, and hides them."""

    def __init__(self, answer: SubmitResult) -> None:
        self.answer = answer
        self.cancelled: list[tuple[int, str]] = []

    async def submit(self, _: Any) -> SubmitResult:
        return self.answer

    async def look(self) -> CouldNotLook:
        return CouldNotLook("PrivateData hides jobs", 0)

    async def cancel(self, number: int, user: str, _: str) -> Cancelled:
        self.cancelled.append((number, user))
        return Cancelled()


class Wire:
    async def run(self, *_: Any) -> Unknown:
        return Unknown("cut")


@pytest.mark.parametrize(
    ("answer", "cancelled", "verdict"),
    [
        (Submitted(17), [(17, "alice")], Verdict.OK),
        (Refused("no partition", "rejected-by-slurm"), [], Verdict.OK),
        (Unknown("cut"), [], Verdict.FAULT),
    ],
)
async def test_a_job_that_slurm_hides_is_cancelled_by_its_number(
    answer: SubmitResult, cancelled: list[tuple[int, str]], verdict: Verdict
) -> None:
    slurm, wire = Slurm(answer), Wire()
    parts: tuple[Any, Any] = (wire, slurm)
    bench = Bench(parts[0], Node("cmd1", "bwvisu"), parts[1], ALICE, patience=-1)
    found: list[Finding]
    async with bench.run(CONFIG, None) as (told, found):
        assert told is None
    assert slurm.cancelled == cancelled
    assert [(one.check, one.verdict) for one in found][-1] == ("cancel", verdict)
