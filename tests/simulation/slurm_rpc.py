"""How a command talks to slurmctld: one request, one answer, and what it says when there is none.

The times are measured (22.05): nobody listens, 9 s; slurmctld hangs, MessageTimeout.  A command that first reads and
then acts, or that filters by job, waits twice.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tests.simulation.slurm import SimSlurm
from tests.simulation.slurm_job import RefusedError
from tests.simulation.slurm_words import CONNECT_FAILURE, SOCKET_TIMEOUT

T = TypeVar("T")


class NoAnswerError(Exception):
    """slurmctld said nothing; the command's words for it."""


async def ask(slurm: SimSlurm, act: Callable[[], T], *, attempts: int = 1) -> T:
    """slurmctld's answer; raises `RefusedError`, and `NoAnswerError` once it has waited ``attempts`` times.

    The request is on its way at once: killing the command takes nothing back.
    """
    while True:
        try:
            return await _ask_once(slurm, act)
        except NoAnswerError:
            attempts -= 1
            if not attempts:
                raise


async def _ask_once(slurm: SimSlurm, act: Callable[[], T]) -> T:
    weather = slurm.weather
    if slurm.dead:
        await asyncio.sleep(slurm.pace.contact)
        raise NoAnswerError(CONNECT_FAILURE)
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    if not weather.strikes("slurm.request-lost"):
        told = not weather.strikes("slurm.answer-lost")
        delay = weather.between(0.5, 30.0) if weather.strikes("slurm.hangs-a-moment") else 0.0
        slurm.deliver(partial(_carry_out, act, answer if told else None), after=delay)
    try:
        async with asyncio.timeout(slurm.pace.message_timeout):
            return await answer
    except TimeoutError:
        raise NoAnswerError(CONNECT_FAILURE if slurm.dead else SOCKET_TIMEOUT) from None


def _carry_out(act: Callable[[], T], answer: asyncio.Future[T] | None) -> None:
    """Do it, whether or not anybody still waits for the answer."""
    wanted = answer is not None and not answer.done()
    try:
        result = act()
    except RefusedError as refusal:
        if answer is not None and wanted:
            answer.set_exception(refusal)
    else:
        if answer is not None and wanted:
            answer.set_result(result)
