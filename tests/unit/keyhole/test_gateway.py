"""Answers of a gateway are hostile until parsed, and cut short until their closing line is seen."""

import pytest

from keyhole.domain import Fence, Gateway
from keyhole.gateway import (
    Fenced,
    Guard,
    Loaded,
    Refused,
    Unanswered,
    Uncut,
    load,
    look,
    probe,
    read_load,
    read_look,
    read_probe,
    read_resolve,
    resolve,
)
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.choice import DRIVERS, listed
from keyhole.nat.model import Backend, Listing, Target
from tests.support.keyhole import GATEWAY


def said(text: str, status: int = 0, stderr: bytes = b"") -> Answer:
    return Answer(status, text.encode(), stderr)


@pytest.mark.parametrize("text", ["", "\nEND ok", "\nEND", "END ok\n", "== works 0\n", "\nEND ok\nmore\n", "\nEND \n"])
def test_without_a_closing_line_nothing_was_answered(text: str) -> None:
    answer = said(text, 255, b"Connection closed")
    assert all(isinstance(read(answer), Unanswered) for read in (read_look, read_load, read_probe, read_resolve))


def test_every_closing_word_has_its_meaning() -> None:
    assert read_load(said("\nEND ok\n")) == Loaded()
    assert read_load(said("\nEND fenced 2 17\n")) == Fenced(Fence(2, 17))
    assert isinstance(read_load(said("\nEND fenced 2 seventeen\n")), Unanswered)
    assert read_load(said("\nEND refused line 3 failed\n")) == Refused("line 3 failed")
    assert isinstance(read_load(said("\nEND uncut\n")), Uncut)
    assert read_load(said("\nEND fault locked\n")) == Unanswered("locked")
    assert read_load(NoAnswer("timed out")) == Unanswered("timed out")


def test_a_listing_is_split_into_its_sections() -> None:
    text = "== works 0\ntable ip x\n== nft 1\n\n== nat 0\n*nat\nCOMMIT\n== filter 0\n*filter\nCOMMIT\n\nEND ok\n"
    assert read_look(said(text)) == Listing(True, None, "*nat\nCOMMIT\n", "*filter\nCOMMIT\n")
    nothing = read_look(said("== works 1\n\n== nft 1\n\n== nat 127\n\n== filter 127\n\n\nEND ok\n"))
    assert nothing == Unanswered("neither nft nor iptables-save works here, and no HAProxy answers at its socket")


def test_a_filter_that_may_hold_ours_and_cannot_be_listed_is_no_answer() -> None:
    text = (
        "== works 127\n\n== nft 127\n\n\nEND fault nftables may hold rules of ours and cannot be listed (x.nftables)\n"
    )
    assert read_look(said(text)) == Unanswered("nftables may hold rules of ours and cannot be listed (x.nftables)")


def test_a_gateway_that_sees_no_foreign_rules_any_more_says_so() -> None:
    text = "== works 0\n\n== nft 1\n\n== nat 1\n\n== filter 1\n\n== blind 0\n\n\nEND ok\n"
    assert read_look(said(text)) == Listing(True, None, None, None, blind=True)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_driver_needs_all_its_listings(backend: Backend) -> None:
    driver = DRIVERS[backend]
    assert listed(driver, Listing(True, None, "", ""))
    assert listed(driver, Listing(True, None, None, None)) == (backend == "nftables")
    assert listed(driver, Listing(False, None, "", "")) == (backend == "iptables")
    assert not listed(driver, Listing(False, None, "", None))


def test_probes_read_three_ways() -> None:
    answer = read_probe(said("10.0.0.1:1 0\n10.0.0.1:2 1\n10.0.0.1:3 127\nrubbish\n\nEND ok\n"))
    assert answer == {Target("10.0.0.1", 1): True, Target("10.0.0.1", 2): False}


def test_names_keep_the_resolver_s_order() -> None:
    answer = read_resolve(said("node1 10.0.0.2\nnode1 10.0.0.1\nnode2 \n\nEND ok\n"))
    assert answer == {"node1": ["10.0.0.2", "10.0.0.1"]}


def test_nothing_that_varies_is_part_of_a_text() -> None:
    guard = Guard(GATEWAY, "abc123", Fence(1, 7))
    first, second = look(guard, "bwv-abc123"), look(guard._replace(fence=Fence(2, 8)), "bwv-other")
    assert first.script == second.script
    assert first.args == ("", "abc123.gw1", "1", "7", "bwv-abc123", "ip", "", "")
    call = load(guard, "iptables", "*nat\nCOMMIT\n", [(50001, "*", Target("10.0.0.1", 5))])
    assert call.stdin == b"*nat\nCOMMIT\n\n#cut 50001 * 10.0.0.1 5"
    assert call.args[-3:] == ("iptables", str(len(call.stdin)), "ip")


@pytest.mark.parametrize("name", ["-n", "a b", "x;reboot", "$(id)", "../x", "", "a\nb"])
def test_names_that_are_none_never_reach_a_gateway(name: str) -> None:
    with pytest.raises(ValueError, match="host name"):
        resolve(GATEWAY, [name])


def test_a_gateway_s_name_that_is_none_never_becomes_a_file() -> None:
    odd = Gateway("../../etc/x", internal_ip="", external_ip="")
    with pytest.raises(ValueError, match="gateway"):
        look(Guard(odd, "abc123", Fence(1, 1)), "bwv-abc123")


def test_few_probes_run_one_per_process_and_many_share_some() -> None:
    few = probe(GATEWAY, [Target("10.0.0.1", port) for port in range(1, 31)])
    many = probe(GATEWAY, [Target("10.0.0.1", port) for port in range(1, 1001)])
    assert (few.args[1], many.args[1]) == ("1", "8")
    assert few.stdin.count(b"\n") == 30
