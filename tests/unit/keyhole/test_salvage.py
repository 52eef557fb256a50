"""A record that cannot be read still owns its ports, as far as anything of it can be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.domain import GrantPhase, JobForwards
from keyhole.salvage import salvage
from tests.support.keyhole import grant

WHOLE = JobForwards(job_id="j1", cluster="main", grants=(grant((50001, 50002)), grant((50003,), gateway="gw2")))


def changed(**fields: object) -> bytes:
    """The record with these in its first grant."""
    record = json.loads(WHOLE.model_dump_json())
    record["grants"][0] |= fields
    return json.dumps(record).encode()


def owned(record: JobForwards) -> set[tuple[str, int]]:
    return {(each.gateway, forward.external_port) for each in record.grants for forward in each.forwards}


@pytest.mark.parametrize("fields", [{"phase": "moving"}, {"phase": None}, {"attempt": "x", "phase": "open"}])
def test_what_can_be_read_is_owned_and_led_to_by_nobody(fields: dict[str, object]) -> None:
    found = salvage("j1", changed(**fields))
    assert found.cluster == "main"
    assert ("gw2", 50003) in owned(found)
    assert (("gw1", 50001) in owned(found)) is ("attempt" not in fields)
    assert {each.phase for each in found.grants} == {GrantPhase.QUARANTINED}


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["grants", "cluster", "forwards"]), inner),
    ).map(lambda told: json.dumps(told).encode())
)
def test_whatever_is_stored_nothing_is_raised(value: bytes) -> None:
    assert salvage("j1", value).job_id == "j1"
