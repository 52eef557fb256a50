"""A desktop on a compute node, in the browser: seen, used, logged out of; and nothing for a stranger."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Error, Page, expect

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.browser import PATIENCE
from tests.support.screen import PAINT, RED, WHITE, Screen
from tests.support.secrecy import addresses_of, assert_displays_are_private, assert_unseen
from tests.support.world import OpenJob, Person, opened


@pytest.fixture(scope="module")
def desktop(alice: Person, sandbox: Sandbox) -> Iterator[OpenJob]:
    """One for all tests here; the last of them ends it."""
    no_question = "mkdir -p .icewm && echo ConfirmLogout=0 >.icewm/preferences"
    sandbox.run("cmd1", ["sh", "-c", no_question], user="alice").check_returncode()
    with opened(alice, "desktop", session="icewm") as job:
        yield job


def terminal_on(page: Page) -> Screen:
    """Open a terminal by IceWM's key; the screen that shows it."""
    screen = Screen(page, "#noVNC_container canvas")
    screen.act_until(WHITE, lambda: page.keyboard.press("Control+Alt+t"))
    return screen


def test_strangers_see_nothing_in_the_browser_and_nothing_on_the_node(
    desktop: OpenJob, visitor: Callable[[], Page], sandbox: Sandbox, service: LocalService
) -> None:
    owner, wrong, without = visitor(), visitor(), visitor()
    sent = addresses_of(owner)
    owner.goto(desktop.url)
    terminal_on(owner)

    wrong.goto(desktop.url.replace(desktop.password, "wrong"))
    expect(wrong.locator("#noVNC_status")).to_contain_text("Authentication fail", timeout=PATIENCE)
    without.goto(desktop.url.partition("#")[0])
    without.locator("#noVNC_connect_button").click()
    expect(without.locator("#noVNC_password_input")).to_be_visible(timeout=PATIENCE)
    assert wrong.locator("#noVNC_container canvas").count() == 0

    known = desktop.password[:8]  # as much of it as VNC knows
    assert_unseen(known, desktop, sandbox, service, ("Xtigervnc", "TigerVNC", "/websockify"), sent)
    assert_displays_are_private(desktop, sandbox)


def test_a_person_works_on_the_desktop_until_logging_out(
    desktop: OpenJob, alice: Person, visitor: Callable[[], Page], sandbox: Sandbox
) -> None:
    page = visitor()
    page.goto(desktop.url)
    screen = terminal_on(page)  # the one that is there, or a new one
    screen.act_until(RED, lambda: page.keyboard.type(f"hostname >seen; {PAINT}\n"))
    # Typed again where the colour was slow to come, it is written anew.
    until(lambda: sandbox.run("cmd1", ["cat", "seen"], user="alice").stdout == f"{desktop.node}\n", 30, "it is there")

    page.keyboard.type("icesh logout\n")
    ended = alice.wait(desktop.id, "finished")
    assert (ended["outcome"], ended["exit_code"]) == ("completed", 0)
    with pytest.raises(Error, match=re.escape("net::ERR_CONNECTION_REFUSED")):
        visitor().goto(desktop.url)
