"""Silence is the gateway's only where somebody listened all the time, and heard another one."""

from collections.abc import Callable

import pytest

from keyhole.reach import ASK_AFTER, DEAF_AFTER, EVERY, FRESH, Reach

PATIENCE = 15.0
START = 1000.0


class Listener:
    """One who asks gw1 and gw2 every `EVERY` seconds; ``gone``: who does not answer."""

    def __init__(self) -> None:
        self.reach = Reach(("gw1", "gw2"), PATIENCE)
        self.now = START
        self.gone: set[str] = set()

    def goes_on(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.reach.watch(self.now)
            for name in ("gw1", "gw2"):
                self.reach.asked(name, self.now)
                if name in self.gone:
                    self.reach.failed(name, self.now)
                else:
                    self.reach.answered(name, self.now)
            self.now += EVERY

    @property
    def lost(self) -> set[str]:
        return set(self.reach.lost(self.now))


@pytest.fixture
def listener() -> Listener:
    heard = Listener()
    heard.goes_on(10.0)
    return heard


def test_a_gateway_that_is_silent_for_too_long_is_lost_until_it_says_a_word(listener: Listener) -> None:
    listener.gone = {"gw1"}
    listener.goes_on(PATIENCE - EVERY)
    assert not listener.lost
    listener.goes_on(2 * EVERY)
    assert listener.lost == {"gw1"}
    listener.reach.answered("gw1", listener.now)
    assert not listener.lost


def test_whoever_hears_nobody_has_lost_nobody(listener: Listener) -> None:
    listener.gone = {"gw1", "gw2"}
    listener.goes_on(4 * PATIENCE)
    assert not listener.lost
    listener.gone = {"gw1"}
    listener.goes_on(PATIENCE - EVERY)
    assert not listener.lost, "the silence of both was ours"
    listener.goes_on(2 * EVERY)
    assert listener.lost == {"gw1"}


def test_whoever_was_stopped_has_not_listened(listener: Listener) -> None:
    listener.gone = {"gw1"}
    listener.goes_on(5.0)
    listener.now += 60.0
    assert not listener.lost
    listener.goes_on(PATIENCE - EVERY)
    assert not listener.lost
    listener.goes_on(2 * EVERY)
    assert listener.lost == {"gw1"}


def test_a_question_that_hangs_says_nothing_of_how_its_gateway_is_now(listener: Listener) -> None:
    reach, began = listener.reach, listener.now
    listener.gone = set()
    reach.asked("gw1", began)
    pass_with(listener, lambda now: reach.answered("gw2", now), PATIENCE)
    reach.failed("gw1", began)
    assert not listener.lost
    reach.failed("gw1", began + PATIENCE - FRESH)
    assert listener.lost == {"gw1"}


def pass_with(listener: Listener, each: Callable[[float], None], seconds: float) -> None:
    until = listener.now + seconds
    while listener.now < until:
        listener.now += EVERY
        listener.reach.watch(listener.now)
        each(listener.now)


def test_a_quiet_gateway_is_asked_just_to_hear_it() -> None:
    reach = Reach(("gw1",), PATIENCE)
    assert reach.due("gw1", START)
    reach.answered("gw1", START)
    assert not reach.due("gw1", START + ASK_AFTER - 0.1)
    assert reach.due("gw1", START + ASK_AFTER)
    assert ASK_AFTER + EVERY < DEAF_AFTER, "another one is heard often enough to tell the silence of one from ours"


def test_a_gateway_that_nobody_ever_asked_is_not_lost() -> None:
    reach = Reach(("gw1", "gw2"), PATIENCE)
    reach.watch(START)
    reach.answered("gw2", START)
    assert not reach.lost(START)
