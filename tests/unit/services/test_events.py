"""What is kept of history, and who is told of it: each against its plainest description."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bwvisu.services.audience import Audience
from bwvisu.services.events import Event, Interest, Lapse, Moment, Position
from bwvisu.services.mailbox import AT_ONCE, Mailbox
from bwvisu.services.ring import Documents, Ring

NAMES = st.sampled_from(["a", "b", "c"])
INTERESTS = st.builds(Interest, st.none() | NAMES, st.none() | NAMES, st.none() | NAMES)


def event(revision: int, job_id: str = "a", user: str = "a", cluster: str = "a", document: bytes = b"x") -> Event:
    return Event(revision, job_id, user, cluster, document)


def moment(revision: int, *jobs: str) -> Moment:
    return Moment(revision, tuple(event(revision, job) for job in jobs or ("a",)))


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_position_is_read_as_it_was_written(generation: int, revision: int) -> None:
    position = Position(generation, revision)
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "1", "1.", ".1", "1.2.3", "1.-2", "1.2\n", " 1.2", "१.२", "1." + "9" * 20])
def test_any_other_text_is_no_position(text: str) -> None:
    assert Position.parse(text) is None


def test_only_the_last_event_of_interest_ends_a_revision() -> None:
    together = moment(5, "a", "b", "c")
    assert [(each.job_id, each.last) for each in together.chosen(Interest())] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]
    assert [(each.job_id, each.last) for each in together.chosen(Interest("b"))] == [("b", True)]
    assert list(together.chosen(Interest("d"))) == []


@given(st.lists(st.integers(1, 3), max_size=30), st.integers(1, 6), st.integers(400, 2000))
def test_the_ring_keeps_the_newest_within_its_bounds(steps: list[int], most: int, most_bytes: int) -> None:
    ring, moments, revision = Ring(most, most_bytes), list[Moment](), 7
    ring.reset(revision)
    for step in steps:
        revision += step
        moments.append(moment(revision))
        ring.append(moments[-1])
        assert ring.revision == revision
        for since in range(ring.floor, revision + 2):
            assert [each.revision for each in ring.since(since, Interest())] == [
                each.revision for each in moments if each.revision > since
            ]
        kept = ring.since(ring.floor, Interest())
        assert len(kept) <= most
        assert sum(moment(each.revision).size for each in kept) <= most_bytes
        assert len(kept) == len(moments) or len(kept) == most or (len(kept) + 1) * moments[0].size > most_bytes


def test_a_ring_that_was_reset_knows_nothing_from_before() -> None:
    ring = Ring(10, 10_000)
    ring.append(moment(5))
    ring.reset(3)
    assert (ring.floor, ring.revision, ring.since(3, Interest())) == (3, 3, [])


def test_each_version_of_a_job_is_rendered_once() -> None:
    documents, rendered = Documents(most=2), list[str]()

    def of(job: str, revision: int) -> bytes:
        def render() -> bytes:
            rendered.append(f"{job}{revision}")
            return rendered[-1].encode()

        return documents.of(job, revision, render)

    assert [of("a", 1), of("a", 1), of("a", 2), of("a", 1), of("a", 2)] == [b"a1", b"a1", b"a2", b"a1", b"a2"]
    assert rendered == ["a1", "a2", "a1"], "an older version does not drive out the newer one"
    of("b", 1), of("c", 1), of("a", 2)
    assert rendered[3:] == ["b1", "c1", "a2"], "the oldest gave way"
    documents.forget("a")
    of("a", 2)
    assert rendered[-1] == "a2"


@given(st.lists(INTERESTS, max_size=8), st.lists(st.tuples(NAMES, NAMES, NAMES), min_size=1, max_size=3))
def test_exactly_those_concerned_are_told_and_each_once(
    interests: list[Interest], about: list[tuple[str, str, str]]
) -> None:
    audience, mailboxes = Audience(), [Mailbox(interest, 10) for interest in interests]
    for mailbox in mailboxes:
        audience.add(mailbox)
    told = Moment(1, tuple(event(1, *one) for one in about))
    found = list(audience.of(told.events))
    assert len(found) == len(set(found))
    for mailbox in found:
        mailbox.take(told)
    for mailbox in mailboxes:
        assert [each.job_id for each in mailbox.some()] == [
            each.job_id for each in told.events if mailbox.interest.admits(each)
        ]
    assert len(audience) == len(mailboxes) == len(set(audience))
    for mailbox in mailboxes:
        audience.remove(mailbox)
    assert not len(audience)
    assert not list(audience.of(told.events))


async def test_a_full_mailbox_says_so_instead() -> None:
    mailbox = Mailbox(Interest(), depth=100)
    for revision in range(100):
        mailbox.take(moment(revision))
    assert len(mailbox.some()) == AT_ONCE
    for revision in range(100, 200):
        mailbox.take(moment(revision))
    assert await mailbox.news(5)
    assert (mailbox.some(), mailbox.lapse) == ([], Lapse.TOO_SLOW)
    mailbox.clear()
    mailbox.take(moment(201))
    assert [each.revision for each in mailbox.some()] == [201]


async def test_waiting_ends_with_news_or_the_end_and_not_before() -> None:
    mailbox = Mailbox(Interest("a"), depth=1)
    mailbox.take(moment(1, "b"))
    assert not await mailbox.news(0.01)
    mailbox.take(moment(2, "a"))
    assert await mailbox.news(5)
    mailbox.some()
    assert not await mailbox.news(0.01)
    mailbox.end()
    assert await mailbox.news(5)
    assert mailbox.ended


async def test_what_comes_at_the_moment_when_waiting_ends_is_news() -> None:
    """A sign of life would tell its reader to go on after what it has not been told."""
    mailbox, loop = Mailbox(Interest(), depth=1), asyncio.get_running_loop()
    waiting = asyncio.create_task(mailbox.news(0.0))
    loop.call_soon(loop.call_soon, mailbox.take, moment(1))  # after the timer has struck, before the waiter wakes
    assert await waiting
