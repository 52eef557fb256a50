"""Node lists, written out as `scontrol show hostnames` does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.adapters.slurm.hostlist import MOST, expand


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("node1", ("node1",)),
        ("node[1-3,07],gpu1", ("node1", "node2", "node3", "node07", "gpu1")),
        ("node[08-11]", ("node08", "node09", "node10", "node11")),
        ("n[1-2]-ib[0,3]", ("n1-ib0", "n1-ib3", "n2-ib0", "n2-ib3")),
        ("a.b-c_d", ("a.b-c_d",)),
        ("b,a", ("b", "a")),
        ("", ()),
        ("(null)", ()),
        ("n/a", ()),
        ("None assigned", ()),
    ],
)
def test_lists_are_expanded_in_order(text: str, hosts: tuple[str, ...]) -> None:
    assert expand(text) == hosts


@pytest.mark.parametrize(
    "text",
    [
        "node[1-",
        "node[]",
        "node[3-1]",
        "node[1--2]",
        "node]",
        "a,,b",
        "a b",
        "a;rm",
        "node[a-b]",
        "nöde",
        "node[١]",
        "node[1-99999999]",
        f"node[0-{MOST}]",
        "n[0-999][0-999]",
        "n[0-999],m[0-65000]",
        "n[999999999999999999999]",
    ],
)
def test_what_is_no_list_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"node"):
        expand(text)


@given(st.text(max_size=60))
def test_anything_is_a_bounded_list_of_plain_names_or_refused(text: str) -> None:
    try:
        hosts = expand(text)
    except ValueError:
        return
    assert len(hosts) <= MOST
    assert all(host and not set(host) & set(" ,[]|;\n") for host in hosts)


@given(st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), min_size=1, unique=True))
def test_plain_names_come_back(names: list[str]) -> None:
    assert expand(",".join(names)) == tuple(names)
