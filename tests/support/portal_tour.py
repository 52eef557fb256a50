"""Every kind of page of the portal, in each of its states, one after another: for what must hold on all of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from playwright.sync_api import Page, Route

from tests.support.portal_pages import Portal
from tests.unit.portal.noise import noise

Stop = tuple[str, Page]
"""What is open now, in words, and where."""
TOO_LONG = 20_000
"""Characters that no cookie holds."""


def stay(page: Page, url: str) -> None:
    """Keep all pages of this browser at the portal at ``url``: whoever leaves, by itself too, is told "no content"."""

    def nothing(route: Route) -> None:
        route.fulfill(status=204)

    page.context.route(lambda address: not address.startswith(f"{url}/"), nothing)


@dataclass(frozen=True)
class Tour:
    """Who walks, and what there is to see."""

    alice: Portal
    """Has sessions."""
    bob: Portal
    """Has none."""
    carol: Portal
    """Administers; is signed out in the end."""
    jobs: Mapping[str, str]
    """Of alice: ``failed``, and three that are ready, by how one connects: ``native``, ``form``, ``link``."""
    dressed: str
    """Address of a portal of the site's own looks, whose API is away."""

    def stops(self) -> Iterator[Stop]:
        """All of them."""
        yield from self._sessions()
        yield from self._ways_in()
        yield from self._sharing()
        yield from self._catalogue()
        yield from self._forms()
        yield from self._refusals()
        yield from self._administration()
        yield from self._signing_in()

    def _sessions(self) -> Iterator[Stop]:
        self.bob.open()
        self.bob.page.locator(".empty").wait_for()
        yield "no sessions", self.bob.page
        page = self.alice.page
        for name, path in (
            ("sessions", "/"),
            ("a session", f"/sessions/{self.jobs['native']}"),
            ("a failed session", f"/sessions/{self.jobs['failed']}"),
        ):
            self.alice.open(path)
            yield name, page
        self.alice.open()
        page.locator("details.menu summary").click()
        yield "the menu", page
        self.alice.open()
        self.alice.press(self.jobs["native"], "Stop")
        yield "the question before a stop", page

    def _ways_in(self) -> Iterator[Stop]:
        stay(self.alice.page, self.alice.url)
        for way, part in (
            ("native", "#command"),
            ("form", "form[data-send-at-once] button"),
            ("link", "main a.primary"),
        ):
            self.alice.open()
            with self.alice.page.context.expect_page() as opened:
                self.alice.press(self.jobs[way], "Connect")
            opened.value.locator(part).wait_for()
            yield f"connect: {way}", opened.value
            opened.value.close()
        self.alice.page.context.unroute_all()

    def _sharing(self) -> Iterator[Stop]:
        page = self.alice.page
        self.alice.open(f"/sessions/{self.jobs['form']}")
        page.get_by_role("button", name="Make a link").click()
        page.locator("#link").wait_for()
        yield "a link", page
        page.get_by_role("link", name="Back to the session").click()
        page.get_by_label("User name of the person").fill("bob")
        page.get_by_role("button", name="Let this person in").click()
        page.locator("#told .told").wait_for()
        yield "a shared session", page
        self.bob.open()
        self.bob.page.get_by_role("heading", name="Shared with you").wait_for()
        yield "what others share", self.bob.page
        self.bob.open("/shared")
        yield "the field for a link", self.bob.page
        self.bob.page.get_by_label("The link, or its code").fill("nothing-like-it")
        self.bob.page.get_by_role("button", name="Enter").click()
        self.bob.page.get_by_role("alert").wait_for()
        yield "a wrong link", self.bob.page
        for button in ("Revoke · bob", "Revoke · Whoever has the link"):
            page.get_by_role("button", name=button).click()
            page.get_by_role("button", name=button).wait_for(state="detached")

    def _catalogue(self) -> Iterator[Stop]:
        for name, query in (("the catalogue", ""), ("a catalogue without a hit", "?q=nothing-like-it")):
            self.alice.open(f"/applications{query}")
            yield name, self.alice.page

    def _forms(self) -> Iterator[Stop]:
        page = self.alice.page
        self.alice.open("/applications/terminal")
        page.get_by_role("group", name="Tell me by mail when").wait_for()
        yield "a form with mails", page
        self.alice.open("/applications/picky")
        page.evaluate("document.querySelector('form.launch').noValidate = true")
        self.alice.fill({"Run time": "999"})
        page.get_by_role("button", name="Launch", exact=True).click()
        page.get_by_role("alert").wait_for()
        yield "a form with faults", page
        page = self.bob.page
        self.bob.open("/applications/picky")
        page.get_by_text("Save as preset").click()
        page.get_by_label("Name of the preset").fill("Of the tour")
        yield "a preset's name", page
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Of the tour").wait_for()
        yield "a form with presets", page
        page.get_by_role("button", name="Remove the preset Of the tour").click()
        page.get_by_role("link", name="Of the tour").wait_for(state="detached")

    def _refusals(self) -> Iterator[Stop]:
        page = self.alice.page
        for name, address, title in (
            ("404", f"{self.alice.url}/sessions/01m8em0jj1ax0n42bb7twg0srf", "There is no such page or session"),
            ("403", f"{self.alice.url}/admin", "Not allowed"),
            ("503, in the site's looks", f"{self.dressed}/", "Not at the moment"),
        ):
            page.goto(address)
            page.get_by_role("heading", name=title).wait_for()
            yield name, page

    def _administration(self) -> Iterator[Stop]:
        for path in ("/admin", "/admin/sessions", "/admin/audit"):
            self.carol.open(path)
            yield path, self.carol.page

    def _signing_in(self) -> Iterator[Stop]:
        page = self.carol.page
        self.carol.open("/applications/picky")
        page.locator("[name='p.note']").evaluate("(it, text) => { it.value = text; }", noise(TOO_LONG))
        page.context.clear_cookies()
        page.evaluate("document.querySelector('form.launch').submit()")
        page.get_by_role("heading", name="Your session was over").wait_for()
        yield "a form too long to be kept", page
        self.carol.open("/sign-in")
        yield "sign-in", page
        page.get_by_label("User name").fill("nobody")
        page.get_by_label("Password").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()
        yield "sign-in with a wrong password", page
        page.goto(f"{self.dressed}/sign-in")
        page.get_by_role("complementary", name="Announcement").wait_for()
        yield "sign-in, in the site's looks", page
