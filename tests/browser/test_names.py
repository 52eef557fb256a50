"""A name for each job: two applications of one person on one gateway share no cookies."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from bwvisu.cli.local import LocalService, install_terminal
from bwvisu.sandbox import Sandbox
from tests.support.browser import Terminal, knowing, new_page
from tests.support.world import OpenJob, Person, opened, service_in

ZONE = "gw1.apps.test"


@pytest.fixture(scope="module")
def named(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """One gateway, on which each job has a name of its own."""
    install_terminal()
    known: Any = sandbox.settings()
    (gateway,) = (each for each in known["clusters"]["main"]["gateways"] if each["name"] == "gw1")
    cluster = {"gateways": [{**gateway, "external_host": f"{{id}}.{ZONE}"}]}
    with service_in(sandbox, tmp_path_factory.mktemp("named"), cluster) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture
def page(browser: Browser, sandbox: Sandbox) -> Iterator[Page]:
    """Of a browser for which the zone is the gateway, as a wildcard in a site's DNS has it."""
    with knowing(browser, f"*.{ZONE}", str(sandbox.addresses["gw1"].outer)) as other, new_page(other) as page:
        yield page


@dataclass(frozen=True)
class Place:
    """A terminal in a tab of its own, and the cookies that were sent there."""

    terminal: Terminal
    host: str
    sent: set[str]

    @classmethod
    def of(cls, job: OpenJob, page: Page) -> "Place":
        """Open nothing yet."""
        place = cls(Terminal(page, job.url), str(urlsplit(job.url).hostname), set())

        def note(request: Request) -> None:
            headers = request.all_headers() if urlsplit(request.url).hostname == place.host else {}
            place.sent.update(filter(None, (part.strip() for part in headers.get("cookie", "").split(";"))))

        page.on("requestfinished", note)
        return place

    def cookies(self) -> set[str]:
        """``name=value`` of what the browser keeps for this host."""
        kept = self.terminal.page.context.cookies()
        return {f"{each.get('name')}={each.get('value')}" for each in kept if each.get("domain") == self.host}


def test_two_applications_of_one_person_on_one_gateway_share_no_cookies(named: LocalService, page: Page) -> None:
    with named.client() as client:
        alice = Person(client)
        with opened(alice, "terminal") as first, opened(alice, "terminal") as second:
            one, two = Place.of(first, page), Place.of(second, page.context.new_page())
            assert (one.host, two.host) == (f"{first.id}.{ZONE}", f"{second.id}.{ZONE}")
            one.terminal.sign_in(first.password)
            two.terminal.page.goto(two.terminal.url)
            expect(two.terminal.page.get_by_label("Password or token")).to_be_visible()
            two.terminal.sign_in(second.password)
            for place, job in ((one, first), (two, second)):
                place.terminal.type("hostname; echo done-$((40+2))")
                place.terminal.wait_for("done-42\n")
                assert job.node in place.terminal.lines()
            assert one.cookies() & one.sent
            assert two.cookies() & two.sent
            assert not one.cookies() & two.cookies()
            assert not one.sent & two.cookies()
            assert not two.sent & one.cookies()
            kept = page.context.cookies()
            assert {each.get("domain") for each in kept} == {one.host, two.host}, "none for the zone"
