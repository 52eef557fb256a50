"""The leader's shelves: what was written last counts, whoever tells of it first."""

from dataclasses import dataclass
from typing import Any

import pytest

from bwvisu.adapters.etcd import Batch, Entry, Event
from bwvisu.adapters.etcd.replica import Replica
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.job import JobStatus
from bwvisu.domain.lifecycle import Phase
from bwvisu.reconcilers.records import Records
from bwvisu.roles.reconciler import feed
from keyhole.domain import JobForwards, Run
from tests.unit.planning.build import ID, OTHER_ID
from tests.unit.reconcilers.spoken import report

KEYS = Keys()
STATUS = KEYS.status(ID)
OLD, NEW = JobStatus(phase=Phase.QUEUED), JobStatus(phase=Phase.RUNNING)


@dataclass
class Told:
    records: Records
    news: list[tuple[str, str]]


@pytest.fixture
def told() -> Told:
    whole = Told(Records(KEYS), [])
    whole.records.listen(lambda kind, tail: whole.news.append((kind, tail)))
    return whole


def test_what_the_mirror_saw_is_kept_and_told(told: Told) -> None:
    told.records.change(STATUS, 5, OLD)
    assert (told.records.status.get(ID), told.records.status.revision(ID)) == (OLD, 5)
    told.records.change(STATUS, 6, None)
    assert (told.records.status.get(ID), told.records.status.revision(ID)) == (None, None)
    assert told.news == [("status", ID), ("status", ID)]


def test_a_mirror_that_lags_does_not_undo_what_we_wrote(told: Told) -> None:
    told.records.echo(STATUS, 7, NEW)
    told.records.change(STATUS, 5, OLD)
    assert told.records.status.get(ID) == NEW
    told.records.change(STATUS, 7, NEW)
    told.records.change(STATUS, 9, OLD)
    assert told.records.status.get(ID) == OLD


def test_a_late_echo_does_not_undo_what_the_mirror_saw(told: Told) -> None:
    told.records.change(STATUS, 9, NEW)
    told.records.echo(STATUS, 7, OLD)
    assert (told.records.status.get(ID), told.records.status.revision(ID)) == (NEW, 9)


def test_a_deletion_of_ours_is_not_undone_either(told: Told) -> None:
    told.records.change(STATUS, 5, OLD)
    told.records.echo(STATUS, 7, None)
    told.records.change(STATUS, 6, NEW)
    assert told.records.status.get(ID) is None


def test_records_of_a_job_are_found_by_its_id(told: Told) -> None:
    for number in (2, 1):
        told.records.change(KEYS.report(ID, Run(1, 0), number), number, report(seq=number))
    told.records.change(KEYS.report(OTHER_ID, Run(1, 0), 1), 3, report())
    assert [each.seq for each in told.records.reports.of(ID)] == [1, 2]
    told.records.change(KEYS.report(OTHER_ID, Run(1, 0), 1), 4, None)
    assert told.records.reports.of(OTHER_ID) == []


def test_kinds_that_are_none_of_ours_are_passed_by(told: Told) -> None:
    entry = Entry(KEYS.secret(ID), b"\xff", 1, 1)
    assert told.records.decode(entry) is None
    told.records.change(entry.key, 1, None)
    told.records.echo(entry.key, 2, None)
    assert told.news == []


def test_a_damaged_record_raises_and_a_newer_ones_fields_survive(told: Told) -> None:
    with pytest.raises(ValueError, match="phase"):
        told.records.decode(Entry(STATUS, b'{"phase": "dreaming"}', 1, 1))
    newer = told.records.decode(Entry(STATUS, b'{"phase": "queued", "colour": "blue"}', 1, 1))
    assert newer is not None
    assert b'"colour":"blue"' in encode(newer)


def test_the_last_readable_version_counts_while_a_record_cannot_be_read(told: Told) -> None:
    """And by its revision nothing that we write can replace what is there now."""
    records = told.records
    mirror: Any = Replica(records.decode)  # all that `feed` asks of a mirror
    forwards, later = KEYS.forwards(ID), KEYS.forwards(OTHER_ID)

    def stored(key: str, revision: int, value: bytes | None) -> None:
        entry = Entry(key, value, 1, revision) if value is not None else None
        feed(records, mirror, mirror.apply(Batch(revision, (Event(key, revision, entry),))))

    for key, record in ((STATUS, OLD), (forwards, JobForwards(job_id=ID))):
        stored(key, 5 if key == STATUS else 6, encode(record))
    for revision, key in enumerate((STATUS, forwards, later), 7):
        stored(key, revision, b"damage")
    assert (records.status.get(ID), records.status.revision(ID)) == (OLD, 5)
    assert records.forwards.revision(ID) == 6
    assert (records.unreadable, set(records.salvaged)) == ({ID, OTHER_ID}, {OTHER_ID})
    stored(STATUS, 10, encode(NEW))
    for revision, key in enumerate((forwards, later), 11):
        stored(key, revision, None)
    assert records.status.get(ID) == NEW
    assert (records.forwards.get(ID), records.unreadable, records.salvaged) == (None, set(), {})
