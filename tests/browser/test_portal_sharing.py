"""A session that is shared by a link: somebody else signs in, sees the desktop, and cannot type on it."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from bwvisu.cli.local import LocalService
from bwvisu.sandbox import Sandbox
from tests.support.axe import violations
from tests.support.browser import PATIENCE
from tests.support.portal_pages import Portal
from tests.support.screen import PAINT, RED, WHITE, Screen
from tests.support.secrecy import addresses_of
from tests.support.world import Person, opened

CANVAS = "#noVNC_container canvas"


def link_to(mine: Portal, job_id: str, *, view_only: bool) -> str:
    """Made on the session's page."""
    mine.open(f"/sessions/{job_id}")
    assert violations(mine.page) == []
    if view_only:
        mine.page.get_by_label("They see, and cannot act").check()
    mine.page.get_by_role("button", name="Make a link").click()
    link = mine.page.locator("#link").inner_text()
    assert violations(mine.page) == []
    return link


def follow(page: Page, link: str, name: str, password: str) -> None:
    """By somebody who must sign in first."""
    page.goto(link)
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Enter").click()


def test_who_has_a_link_sees_the_desktop_and_cannot_type_there(
    portal: Callable[..., Portal], visitor: Callable[[], Page], alice: Person, service: LocalService, sandbox: Sandbox
) -> None:
    with opened(alice, "desktop", session="icewm") as desktop:
        link = link_to(portal(), desktop.id, view_only=True)
        owner, guest = visitor(), visitor()
        sent = addresses_of(guest)
        follow(guest, link, "bob", service.passwords["bob"])
        expect(guest.locator(CANVAS)).to_be_visible(timeout=PATIENCE)

        owner.goto(desktop.url)
        mine, theirs = Screen(owner, CANVAS), Screen(guest, CANVAS)
        mine.act_until(WHITE, lambda: owner.keyboard.press("Control+Alt+t"))
        theirs.act_until(WHITE, lambda: None)
        guest.locator(CANVAS).click()
        guest.keyboard.type("touch typed-by-a-guest\n")
        mine.act_until(RED, lambda: owner.keyboard.type(f"touch typed-by-the-owner; {PAINT}\n"))
        theirs.act_until(RED, lambda: None)
        written = sandbox.run("cmd1", ["ls"], user="alice").stdout.split()
        assert "typed-by-the-owner" in written
        assert "typed-by-a-guest" not in written

        token = link.partition("#")[2]
        assert not [address for address in sent if token in address or desktop.password in address]
        assert desktop.password not in guest.url


def test_a_link_that_was_revoked_opens_nothing_and_a_person_finds_what_is_shared(
    portal: Callable[..., Portal], alice: Person
) -> None:
    with opened(alice, "terminal") as terminal:
        mine, theirs = portal(), portal("bob")
        link = link_to(mine, terminal.id, view_only=False)
        mine.page.get_by_role("link", name="Back to the session").click()
        mine.page.get_by_role("button", name="Revoke · Whoever has the link").click()
        expect(mine.page.locator("#told")).to_contain_text("It is shared so no more.")
        theirs.page.goto(link)
        theirs.page.get_by_role("button", name="Enter").click()
        expect(theirs.page.get_by_role("alert")).to_have_text("This link is not valid, or not any more.")
        assert violations(theirs.page) == []

        mine.page.get_by_label("User name of the person").fill("bob")
        mine.page.get_by_role("button", name="Let this person in").click()
        expect(mine.page.locator("#told")).to_contain_text("bob may enter it now.")
        theirs.open()
        assert violations(theirs.page) == []
        with theirs.page.context.expect_page() as tab:
            theirs.page.get_by_role("button", name="Connect · Terminal").click()
        tab.value.wait_for_url("**/terminals/**")
