"""One application's windows in the browser: seen, used, closed; and nothing for a stranger."""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Error, Page, expect

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE
from tests.support.screen import PAINT, RED, Screen
from tests.support.secrecy import addresses_of, assert_displays_are_private, assert_unseen
from tests.support.world import OpenJob, Person, opened


@pytest.fixture(scope="module")
def session(alice: Person) -> Iterator[OpenJob]:
    """One for all tests here; the last of them ends it."""
    with opened(alice, "xpra") as job:
        yield job


def test_strangers_see_nothing_in_the_browser_and_nothing_on_the_node(
    session: OpenJob, visitor: Callable[[], Page], sandbox: Sandbox, service: LocalService
) -> None:
    owner, wrong, without = visitor(), visitor(), visitor()
    sent = addresses_of(owner)
    owner.goto(session.url)
    expect(owner.locator(".window canvas")).to_be_visible(timeout=PATIENCE)

    wrong.goto(session.url.replace(session.password, "wrong"))
    without.goto(session.url.partition("#")[0])
    for page, answer in ((wrong, "authentication failed"), (without, "No password specified")):
        expect(page.get_by_text(answer)).to_be_visible(timeout=PATIENCE)
        assert page.locator(".window").count() == 0

    signs = ("--use-display=yes", "xpra is ready", "/index.html")
    assert_unseen(session.password, session, sandbox, service, signs, sent)
    assert_displays_are_private(session, sandbox)


def test_a_person_uses_a_window_until_it_is_closed(
    session: OpenJob, alice: Person, visitor: Callable[[], Page], sandbox: Sandbox
) -> None:
    page = visitor()
    page.goto(session.url)
    screen = Screen(page, ".window canvas")

    def paint() -> None:
        page.locator(".window canvas").click()  # a window that was there before its client need not have the keyboard
        page.keyboard.type(f"hostname >seen; {PAINT}\n")

    screen.act_until(RED, paint)
    assert sandbox.run("cmd1", ["cat", "seen"], user="alice").stdout == f"{session.node}\n"
    assert urlsplit(page.url).fragment == ""

    page.keyboard.type("exit\n")
    ended = alice.wait(session.id, "finished")
    assert (ended["outcome"], ended["exit_code"]) == ("completed", 0)
    with pytest.raises(Error, match=re.escape("net::ERR_CONNECTION_REFUSED")):
        visitor().goto(session.url)
