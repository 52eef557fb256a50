"""Two clusters' books of forwards on one store: each keeps its own, also what is left of a forgotten job."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from bwvisu.adapters.etcd import Absent, Committed, Put, Store
from bwvisu.adapters.records import Keys
from bwvisu.domain.admission import Admission, Admissions
from bwvisu.domain.lifecycle import Phase
from bwvisu.reconcilers.keyhole_host import LeaderBooks
from bwvisu.reconcilers.leadership import Leadership
from bwvisu.reconcilers.records import Records
from bwvisu.reconcilers.writer import Writer
from keyhole.domain import JobForwards, Run
from tests.support.keyhole import Clock
from tests.unit.planning.build import ID, OTHER_ID, known, spec
from tests.unit.reconcilers.spoken import request


async def both(store: Store, keys: Keys) -> tuple[Records, LeaderBooks, LeaderBooks]:
    lease = await store.lease(30)
    won = await store.commit([Absent(keys.leader)], [Put(keys.leader, b"{}", lease.id)])
    assert isinstance(won, Committed)
    records = Records(keys)
    writer = Writer(Leadership(store, keys.leader, won.revision, lease), records)
    return records, LeaderBooks("main", records, writer), LeaderBooks("north", records, writer)


async def test_what_is_left_of_a_forgotten_job_stays_with_its_own_cluster(store: Store, keys: Keys) -> None:
    """Gateways of two clusters may have the same name: the other one must neither load nor free its ports."""
    records, main, north = await both(store, keys)
    records.change(keys.spec(ID), 1, spec(job_id=ID))
    assert await main.write(JobForwards(job_id=ID), None)
    assert (set(main.forwards()), set(north.forwards())) == ({ID}, set())
    records.change(keys.spec(ID), 2, None)
    assert (set(main.forwards()), set(north.forwards())) == ({ID}, set())
    kept = main.forwards()[ID]
    assert await main.delete(ID, kept.revision)
    assert set(main.forwards()) == set()


async def test_what_an_older_version_left_of_a_forgotten_job_goes_too(store: Store, keys: Keys) -> None:
    records, main, _ = await both(store, keys)
    records.change(keys.forwards(OTHER_ID), 1, JobForwards(job_id=OTHER_ID))
    assert set(main.forwards()) == {OTHER_ID}


async def test_what_a_record_that_could_never_be_read_owns_is_its_own_cluster_s(store: Store, keys: Keys) -> None:
    records, main, north = await both(store, keys)
    records.change(keys.spec(ID), 1, spec(job_id=ID))
    assert main.unread() is None
    records.set_aside(keys.forwards(ID), b"{")
    assert (main.unread(), north.unread()) == ([], None)
    records.change(keys.forwards(ID), 3, JobForwards(job_id=ID))
    assert main.unread() is None
    assert set(main.forwards()) == {ID}


async def test_a_job_that_is_over_asks_for_nothing(store: Store, keys: Keys) -> None:
    records, main, north = await both(store, keys)
    records.change(keys.spec(ID), 1, spec(job_id=ID))
    records.change(keys.request(ID, Run(1, 0)), 2, request())
    assert ([each.job_id for each in main.requests()], north.requests()) == ([ID], [])
    for phase, asking in ((Phase.READY, [ID]), (Phase.FINISHED, [])):
        records.change(keys.status(ID), 3, known(phase))
        assert [each.job_id for each in main.requests()] == asking


def _admission(network: str, expires_at: datetime) -> Admission:
    return Admission(
        id=network, network=network, user="alice", at=expires_at - timedelta(days=1), expires_at=expires_at
    )


async def test_who_is_admitted_is_what_the_last_readable_record_says_at_this_moment(store: Store, keys: Keys) -> None:
    records, main, _ = await both(store, keys)
    now = datetime.now(UTC)
    assert main.admitted(ID) == []
    records.set_aside(keys.admissions(ID), b"{")
    assert main.admitted(ID) == []
    entries = (
        _admission("203.0.113.5/32", now + timedelta(hours=1)),
        _admission("203.0.113.6/32", now),
        _admission("no network", now + timedelta(hours=1)),
        _admission("2001:db8::/64", now + timedelta(hours=1)),
    )
    records.change(keys.admissions(ID), 1, Admissions(entries=entries))
    records.set_aside(keys.admissions(ID), b"{")
    assert main.admitted(ID) == [ip_network("203.0.113.5"), ip_network("2001:db8::/64")]


async def test_a_wall_clock_that_jumps_expires_nobody_and_lets_nobody_in_again(store: Store, keys: Keys) -> None:
    records, _, _ = await both(store, keys)
    began = wall = datetime(2026, 11, 27, 12, tzinfo=UTC)
    clock = Clock()
    lease = await store.lease(30)
    writer = Writer(Leadership(store, keys.leader, 1, lease), records)
    books = LeaderBooks("main", records, writer, lambda: wall, clock)
    short, over = began + timedelta(minutes=50), began - timedelta(minutes=30)
    entries = (_admission("203.0.113.5/32", short), _admission("203.0.113.6/32", over))
    records.change(keys.admissions(ID), 1, Admissions(entries=entries))
    admitted = [ip_network("203.0.113.5")]
    for jump in (0, 1, -1):
        wall = began + timedelta(hours=jump)
        assert books.admitted(ID) == admitted, jump
    clock.now += 50 * 60
    assert books.admitted(ID) == []
    renewed = _admission("203.0.113.5/32", wall + timedelta(minutes=10))
    records.change(keys.admissions(ID), 2, Admissions(entries=(renewed, entries[1])))
    assert books.admitted(ID) == admitted, "a renewed entry counts from now"
    records.change(keys.admissions(ID), 3, None)
    assert books.admitted(ID) == []


async def test_a_clock_that_was_behind_lets_nobody_stay_for_longer_than_they_were_given(
    store: Store, keys: Keys
) -> None:
    """Seeds 489, 610 and 1812: a leader saw an admission while its clock was an hour behind, and kept it so long."""
    records, _, _ = await both(store, keys)
    began = datetime(2026, 11, 27, 12, tzinfo=UTC)
    wall, clock = began - timedelta(hours=1), Clock()
    lease = await store.lease(30)
    books = LeaderBooks("main", records, Writer(Leadership(store, keys.leader, 1, lease), records), lambda: wall, clock)
    given = _admission("203.0.113.5/32", began + timedelta(minutes=10)).model_copy(update={"at": began})
    records.change(keys.admissions(ID), 1, Admissions(entries=(given,)))
    assert books.admitted(ID) == [ip_network("203.0.113.5")]
    wall = began
    clock.now += 10 * 60
    assert books.admitted(ID) == []


async def test_who_came_by_a_share_is_out_where_sharing_is_switched_off(store: Store, keys: Keys) -> None:
    records, _, _ = await both(store, keys)
    own = _admission("203.0.113.5/32", datetime.now(UTC) + timedelta(hours=1))
    guests = own.model_copy(update={"network": "203.0.113.6/32", "share": "1"})
    records.change(keys.admissions(ID), 1, Admissions(entries=(own, guests)))
    writer = Writer(Leadership(store, keys.leader, 1, await store.lease(30)), records)
    assert LeaderBooks("main", records, writer, sharing=False).admitted(ID) == [ip_network("203.0.113.5")]
