"""`scontrol show partition`: the argv and the answers, as measured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm import partitions
from bwvisu.adapters.ssh import Completed, Outcome
from bwvisu.domain.cluster import PartitionView
from bwvisu.domain.observation import CouldNotLook, NotStarted, Unknown
from tests.unit.adapters.slurm.recorded import recorded

WEEK = 7 * 86_400
TOLD = recorded("scontrol-partitions")


def read(text: bytes) -> tuple[PartitionView, ...] | CouldNotLook:
    return partitions.parse(Completed(0, text, b""), 1.0)


def test_all_are_asked_for() -> None:
    argv = partitions.command(5).argv
    assert argv[-5:] == ("scontrol", "--all", "--oneliner", "show", "partition")


def test_partitions_are_read_in_slurms_order() -> None:
    assert read(TOLD) == (
        PartitionView(name="batch", state="up", is_default=True, time_limit=WEEK, nodes=3),
        PartitionView(name="short", state="up", time_limit=60, nodes=3),
        PartitionView(name="gpu", state="up", time_limit=WEEK, nodes=1),
        PartitionView(name="closed", state="down", time_limit=WEEK, nodes=3),
        PartitionView(name="group", state="up", time_limit=WEEK, nodes=3),
    )


def test_what_the_site_hides_is_left_out() -> None:
    found = read(recorded("scontrol-partitions-changed"))
    assert not isinstance(found, CouldNotLook)
    assert {each.name: each.state for each in found} == {
        "batch": "up",
        "gpu": "drain",
        "closed": "down",
        "group": "up",
    }


def test_no_limit_is_none() -> None:
    found = read(TOLD.replace(b"MaxTime=7-00:00:00", b"MaxTime=UNLIMITED"))
    assert not isinstance(found, CouldNotLook)
    assert [each.time_limit for each in found] == [None, 60, None, None, None]


FIRST = TOLD.split(b"\n")[0] + b"\n"
WRONG = {
    "nothing": b"",
    "an empty line": b"\n",
    "words": b"No partitions in the system\n",
    "cut off": TOLD[:-10],
    "cut off before the end of a line": TOLD[:-1],
    "a line of something else": TOLD + b"slurm: warning\n",
    "a key twice": FIRST.replace(b" State=UP", b" State=UP State=DOWN"),
    "a partition twice": FIRST + FIRST,
    "no state": FIRST.replace(b" State=UP", b""),
    "a strange state": FIRST.replace(b" State=UP", b" State=up|<b>"),
    "a strange limit": FIRST.replace(b"MaxTime=7-00:00:00", b"MaxTime=soon"),
    "a strange number": FIRST.replace(b"TotalNodes=3", b"TotalNodes=-3"),
    "no name": FIRST.replace(b"PartitionName=batch", b"PartitionName="),
    "a long name": FIRST.replace(b"batch", b"b" * 129),
    "too many": b"".join(FIRST.replace(b"batch", b"p%d" % number) for number in range(1001)),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_half_a_list_is_none(text: bytes) -> None:
    assert isinstance(read(text), CouldNotLook)


OUTCOMES = [NotStarted("x"), Unknown("x"), Completed(1, TOLD, b"slurm_load_partitions error: Socket timed out\n")]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_who_was_not_answered_could_not_look(outcome: Outcome) -> None:
    assert isinstance(partitions.parse(outcome, 1.0), CouldNotLook)


@given(st.binary())
def test_garbage_is_no_partition(garbage: bytes) -> None:
    assert isinstance(read(garbage), CouldNotLook)
