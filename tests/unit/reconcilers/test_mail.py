"""Mail at most once, whoever leads and whenever it dies; on a real etcd, with a mail server that keeps what it got."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage

import pytest

from bwvisu.adapters.etcd import Put, Store
from bwvisu.adapters.mail import MailRefused
from bwvisu.adapters.records import Keys, encode
from bwvisu.domain.job import JobStatus, Notice, Reason
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.planning.progress import finish
from bwvisu.reconcilers.mail import Letterhead, MailReconciler, letter
from bwvisu.reconcilers.writer import Writer
from tests.support.waiting import eventually
from tests.unit.planning.build import ID, NOW, spec
from tests.unit.reconcilers.term import Clock, Doom, FakeSlurm, Term

HEAD = Letterhead("bwvisu@example.org", "{user}@mail.example.org", "https://portal.example.org/")
SPEC = spec().model_copy(update={"notify": tuple(Notice)})
READY = JobStatus(phase=Phase.READY)


class Box:
    """A mail server."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.down = False
        self.refuses: set[str] = set()


class Doomed:
    """A leader's way to it, on which it may die before and after each word."""

    def __init__(self, box: Box, doom: Doom) -> None:
        self._box = box
        self._doom = doom

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator["Doomed"]:
        await self._doom.step()
        if self._box.down:
            raise MailRefused("down")
        yield self

    async def send(self, message: EmailMessage) -> None:
        await self._doom.step()
        if message["Subject"] in self._box.refuses:
            raise MailRefused("no such mailbox")
        self._box.got.append(message)
        await self._doom.step()


def mails(term: Term, box: Box) -> MailReconciler:
    writer = Writer(term.leadership, term.records)
    return MailReconciler("main", term.records, writer, Doomed(box, term.doom), HEAD, term.clock.wall)


async def until_done_or_dead(term: Term, box: Box) -> None:
    sending = asyncio.create_task(mails(term, box).reconcile())
    await eventually(lambda: sending.done() or term.doom.struck)
    sending.cancel()


async def accepted(store: Store, keys: Keys, status: JobStatus = READY) -> None:
    await store.commit([], [Put(keys.spec(ID), encode(SPEC)), Put(keys.status(ID), encode(status))])


async def test_a_leader_that_dies_at_any_step_leaves_no_second_mail(store: Store, keys: Keys) -> None:
    sent = []
    for steps in range(1, 8):
        box, mine = Box(), Keys(f"{keys.prefix}-{steps}")
        await accepted(store, mine)
        async with Term(store, mine, FakeSlurm(Clock()), Doom(steps)) as first:
            await until_done_or_dead(first, box)
        async with Term(store, mine, FakeSlurm(Clock())) as second:
            assert await mails(second, box).reconcile() + len(box.got) <= 2
            assert await mails(second, box).reconcile() == 0
        sent.append(len(box.got))
    # before the intent is stored: the next leader sends it; between intent and sending: nobody; after: it was sent
    assert sent == [1, 1, 0, 0, 1, 1, 1]


async def test_a_server_that_is_away_costs_no_mail(store: Store, keys: Keys) -> None:
    await accepted(store, keys)
    async with Term(store, keys, FakeSlurm(Clock())) as term:
        box = Box()
        box.down = True
        with pytest.raises(MailRefused):
            await mails(term, box).reconcile()
        box.down = False
        assert await mails(term, box).reconcile() == 1
        assert await mails(term, box).reconcile() == 0
    assert len(box.got) == 1


async def test_a_mail_that_is_refused_is_not_tried_again_and_keeps_no_other(store: Store, keys: Keys) -> None:
    await accepted(store, keys)
    async with Term(store, keys, FakeSlurm(Clock())) as term:
        box = Box()
        box.refuses = {"page: is ready"}
        with pytest.raises(MailRefused):
            await mails(term, box).reconcile()
        assert await mails(term, box).reconcile() == 0
        failed = finish(READY, Outcome.FAILED, Reason(code="exit", message="It ended with 3."), at=NOW)
        term.records.change(keys.status(ID), 10**6, failed)
        assert await mails(term, box).reconcile() == 1
    assert [message["Subject"] for message in box.got] == ["page: has ended unexpectedly"]


async def test_what_was_told_goes_with_the_job(store: Store, keys: Keys) -> None:
    await accepted(store, keys)
    async with Term(store, keys, FakeSlurm(Clock())) as term:
        await mails(term, Box()).reconcile()
        assert await store.get(keys.notices(ID)) is not None
        for key in (keys.spec(ID), keys.status(ID)):
            term.records.change(key, 10**6, None)
        await mails(term, Box()).reconcile()
    assert await store.get(keys.notices(ID)) is None


def test_a_letter_says_where_to_look_and_opens_nothing() -> None:
    failed = finish(READY, Outcome.OUT_OF_MEMORY, Reason(code="oom", message="It ran out of memory."), at=NOW)
    message = letter(HEAD, SPEC, failed, Notice.FAILED, NOW)
    assert (message["From"], message["To"]) == ("bwvisu@example.org", "alice@mail.example.org")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content() == (
        "Your session page on main has ended unexpectedly.\n\nIt ran out of memory.\n\n"
        f"https://portal.example.org/sessions/{ID}\n\nYou asked for this mail when you started the session.\n"
    )
