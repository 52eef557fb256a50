"""Who is active, told from lists of connections: growth from the user's side, and never a guess."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from keyhole.activity import GAP, KNOCK, Flow, Instant, Listed, Quiet, Told, Totals, Use, look, tell
from keyhole.domain import Gateway, JobForwards
from keyhole.gateway import Unanswered, flows, read_flows
from keyhole.interfaces import Answer, NoAnswer
from keyhole.nat.model import Target
from keyhole.readiness import Service
from keyhole.reconciler import ActivityBoard, ActivityWatch
from tests.support.keyhole import FIRST, GATEWAY, MemoryBooks, grant

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TARGET = Target("10.77.0.101", 50001)
RECORDED = """\
counted 1
tcp      6 431998 ESTABLISHED src=198.18.0.2 dst=198.18.0.1 sport=41304 dport=50007 packets=7 bytes=378 \
src=198.18.1.2 dst=198.18.1.1 sport=9000 dport=41304 packets=6 bytes=1120 [ASSURED] mark=0 use=1 id=3759500553
tcp      6 119 TIME_WAIT src=198.18.0.2 dst=198.18.0.1 sport=41252 dport=50007 packets=4 bytes=216 \
src=198.18.1.2 dst=198.18.1.1 sport=9000 dport=41252 packets=2 bytes=112 [ASSURED] mark=0 use=1 id=2724423112
tcp      6 119 SYN_SENT src=198.18.0.2 dst=198.18.0.1 sport=41260 dport=50008 packets=1 bytes=60 [UNREPLIED] \
src=198.18.1.2 dst=198.18.1.1 sport=9001 dport=41260 packets=0 bytes=0 mark=0 use=1 id=2724423113
tcp      6 431999 ESTABLISHED src=2001:db8::2 dst=2001:db8::1 sport=34180 dport=50009 \
src=fd00::2 dst=fd00::1 sport=9002 dport=34180 [ASSURED] mark=0 use=1 id=3378011625

END ok
"""
"""conntrack 1.4.7, kernel 6.18; the lines of IPv6 and without answer are composed."""


def at(seconds: float) -> Instant:
    return Instant(1000.0 + seconds, NOON + timedelta(seconds=seconds))


def flow(bytes_in: int | None, number: str = "1", *, established: bool = True) -> Flow:
    return Flow(
        (number, "198.18.0.2", 40000), TARGET, established, bytes_in, None if bytes_in is None else 9 * bytes_in
    )


def seen(*looks: tuple[float, list[Flow]], counted: bool = True, known: Totals | None = None) -> Use:
    """A service after these looks; the last one's use."""
    use: Use | None = None
    for seconds, found in looks:
        use = look(use, found, at(seconds), counted=counted, known=known if use is None else None)
    assert use is not None
    return use


def answer(text: str) -> Answer:
    return Answer(0, text.encode(), b"")


def test_real_output_is_read_by_external_port() -> None:
    found = read_flows(answer(RECORDED))
    assert isinstance(found, Listed)
    assert found.counted
    told = {port: [each[2:5] for each in listed] for port, listed in found.flows.items()}
    assert told == {
        50007: [(True, 378, 1120), (False, 216, 112)],
        50008: [(False, 60, 0)],
        50009: [(True, None, None)],
    }
    assert found.flows[50007][0].target == Target("198.18.1.2", 9000)
    assert found.flows[50009][0].key == ("3378011625", "2001:db8::2", 34180)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        (NoAnswer("unreachable"), "unreachable"),
        (answer(RECORDED.removesuffix("END ok\n")), "no closing line"),
        (answer("counted 1\n\nEND fault conntrack does not work here\n"), "conntrack does not work here"),
    ],
)
def test_what_is_not_whole_says_nothing(printed: Answer | NoAnswer, said: str) -> None:
    found = read_flows(printed)
    assert isinstance(found, Unanswered)
    assert said in found.reason


@pytest.mark.parametrize("said", ["counted 0", "counted ", "garbage\ncounted 1"])
def test_where_it_is_not_surely_counted_it_is_not(said: str) -> None:
    assert read_flows(answer(f"{said}\n\nEND ok\n")) == Listed(counted=False, flows={})


@pytest.mark.parametrize(("address", "family"), [("198.51.100.21", "ipv4"), ("2001:db8::21", "ipv6")])
def test_the_family_of_the_users_address_is_listed(address: str, family: str) -> None:
    assert flows(Gateway("gw1", "10.0.0.1", address)).args == ("sudo -n", family)


def test_bytes_from_the_user_that_grow_are_activity() -> None:
    use = seen((0, [flow(164)]), (5, [flow(216)]), (10, [flow(216)]))
    assert (use.active, use.connections, use.totals) == (at(5), 1, Totals(216, 9 * 216))
    assert use.quiet == Quiet(at(5).clock, at(10).clock)


def test_bytes_from_the_job_alone_are_none() -> None:
    before, after = flow(500), flow(500)._replace(bytes_out=99_999)
    use = seen((0, []), (5, [before]), (10, [after]))
    assert use.active == at(5)
    assert use.totals.bytes_out == 99_999


@pytest.mark.parametrize(("size", "active"), [(KNOCK, None), (KNOCK + 1, at(5))])
def test_a_knock_is_none(size: int, active: Instant | None) -> None:
    use = seen((0, []), (5, [flow(size, established=False)]), (10, [flow(size, established=False)]))
    assert (use.active, use.connections) == (active, 0)


def test_bytes_of_connections_that_have_ended_stay_counted_and_numbers_may_come_again() -> None:
    use = seen((0, []), (5, [flow(400)]), (10, []), (15, [flow(350)]), (20, [flow(340)]))
    assert use.totals.bytes_in == 400 + 350 + 340
    assert use.active == at(20)


def test_a_new_leader_goes_on_from_what_was_written_down_and_takes_old_bytes_for_no_activity() -> None:
    use = seen((0, [flow(90_000)]), known=Totals(100_000, 200_000))
    assert (use.active, use.totals) == (None, Totals(100_000, 200_000))
    assert use.quiet == Quiet(at(0).clock, at(0).clock)
    later = look(use, [flow(90_052)], at(5), counted=True)
    assert (later.active, later.totals.bytes_in) == (at(5), 100_052)


@pytest.mark.parametrize(("gap", "since"), [(GAP, 0), (GAP + 1, GAP + 1)])
def test_after_a_long_gap_the_watch_begins_anew(gap: float, since: float) -> None:
    assert seen((0, [flow(400)]), (gap, [flow(400)])).watched == at(since).clock


def test_what_is_not_counted_cannot_be_told() -> None:
    use = seen((0, [flow(None)]), (5, [flow(None)]), counted=False)
    assert (use.connections, use.quiet, tell(None, use, 60).totals) == (1, None, None)
    counted = look(use, [], at(10), counted=True)
    assert counted.quiet == Quiet(at(10).clock, at(10).clock)


def test_a_connection_that_began_uncounted_holds_the_watch_back() -> None:
    use = seen((0, [flow(None)]), (5, [flow(None)]), (10, [flow(None)]))
    assert use.quiet == Quiet(at(10).clock, at(10).clock)


def test_many_changes_are_few_records() -> None:
    told, records = None, 0
    use: Use | None = None
    for second in range(0, 3600, 5):  # a page that opens and closes connections all the time, and sends
        found = [flow(400 + 10 * second)] if second % 10 else []
        use = look(use, found, at(second), counted=True)
        news = tell(told, use, 60)
        records += news is not told
        told = news
    assert records <= 3600 / 60 + 6


def test_a_change_of_the_connections_is_told_soon() -> None:
    quiet = seen((0, []))
    told = tell(None, quiet, 60)
    busy = look(quiet, [flow(400)], at(5), counted=True)
    assert tell(told, busy, 60).connections == 1
    assert tell(replace(told, at=at(5).clock), busy, 60).connections == 0


def test_nothing_new_is_no_news() -> None:
    use = seen((0, []))
    told = tell(None, use, 60)
    assert tell(told, look(use, [], at(500), counted=True), 60) is told


class Wire:
    """One gateway that prints what it is told to."""

    def __init__(self) -> None:
        self.says: Answer | NoAnswer = answer("counted 1\n\nEND ok\n")

    async def run(self, *_: object) -> Answer | NoAnswer:
        return self.says


def line(port: int, inner: int, sent: int) -> str:
    return (
        f"tcp      6 9 ESTABLISHED src=1.2.3.4 dst=198.51.100.21 sport=4000 dport={port} packets=9 bytes={sent} "
        f"src=10.77.0.101 dst=10.77.0.21 sport={inner} dport=4000 packets=9 bytes=1 [ASSURED] mark=0 use=1 id={port}\n"
    )


async def test_flows_count_for_the_forward_that_they_go_through_and_lead_where_it_leads() -> None:
    books, wire, changed = MemoryBooks(), Wire(), list[str]()
    board = ActivityBoard(changed.append)
    clock = [1000.0]
    watch = ActivityWatch(
        gateway=GATEWAY, books=books, shell=wire, board=board, clock=lambda: clock[0], wall=lambda: NOON
    )
    given = grant([50001])
    books.put(JobForwards(job_id="j1", grants=(given,)))
    (forward,) = given.forwards
    service = Service("j1", FIRST, forward.internal_port)
    wire.says = answer(
        "counted 1\n"
        + line(forward.external_port, forward.internal_port, 400)
        + line(forward.external_port + 1, forward.internal_port, 400)
        + "\nEND ok\n"
    )
    done = await watch.reconcile()
    assert (done.services, done.connections, done.told, changed) == (1, 1, 1, ["j1"])
    assert board.connections() == {"gw1": 1}
    told = board.told("gw1", service)
    assert isinstance(told, Told)
    assert told.totals == Totals(400, 1)

    wire.says = NoAnswer("unreachable")
    clock[0] += 5
    assert (await watch.reconcile()).detail == "unreachable"
    assert board.told("gw1", service) is told
    assert board.quiet("gw1", service) == Quiet(1000.0, 1000.0)
    assert board.connections() == {"gw1": 1}

    wire.says = answer("counted 0\n" + line(forward.external_port, 1, 400) + "\nEND ok\n")
    await watch.reconcile()
    assert "nf_conntrack_acct=1" in board.words("gw1")
    assert board.quiet("gw1", service) is None
    assert board.connections() == {"gw1": 0}


@pytest.mark.parametrize("looked", [True, False])
async def test_a_gateway_without_conntrack_says_so_and_nothing_is_known_of_its_services(looked: bool) -> None:
    books, wire, board, clock = MemoryBooks(), Wire(), ActivityBoard(), [1000.0]
    watch = ActivityWatch(
        gateway=GATEWAY, books=books, shell=wire, board=board, clock=lambda: clock[0], wall=lambda: NOON
    )
    given = grant([50001])
    books.put(JobForwards(job_id="j1", grants=(given,)))
    service = Service("j1", FIRST, given.forwards[0].internal_port)
    if looked:
        await watch.reconcile()
    wire.says = Answer(0, b"\nEND fault conntrack: not found\n", b"")
    with capture_logs() as logs:
        for clock[0] in (1005.0, 1030.0, 1060.0):
            await watch.reconcile()
            assert "not found" in board.words("gw1")
        assert board.looked("gw1", service) is looked
        assert (board.quiet("gw1", service) is None, "gw1" in board.connections()) == (not looked, looked)
        clock[0] += 5 + GAP
        await watch.reconcile()
    assert len(logs) == 1
    assert board.looked("gw1", service)
    assert (board.quiet("gw1", service), board.connections()) == (None, {})

    wire.says = answer("counted 1\n\nEND ok\n")
    clock[0] += 5
    await watch.reconcile()
    assert (board.words("gw1"), board.connections()) == ("", {"gw1": 0})
    assert board.quiet("gw1", service) == Quiet(clock[0], clock[0])
