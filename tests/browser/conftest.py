"""One service and one browser for all tests here; each test has pages of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from bwvisu.cli.local import LocalService, install_terminal, shipped_applications, until
from bwvisu.sandbox import Sandbox
from tests.support.browser import chromium, new_page
from tests.support.portal_pages import Portal
from tests.support.proxies import names_of_gateways
from tests.support.world import Person, service_in

AWAY = "away"
"""A second cluster, which does not answer: pages are made for more than one."""
PEOPLE = ("alice", "bob", "carol")
NOBODY = "127.9.9.9"
MAIL = {"host": NOBODY, "sender": "bwvisu@example.org", "address": "{user}@example.org"}
"""Forms ask whom to tell; nobody is told, since nobody ticks a box."""
FOR_TESTS = Path(__file__).parent.parent / "support" / "templates"


@pytest.fixture(scope="package")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    install_terminal()
    folder = tmp_path_factory.mktemp("service")
    applications = folder / "applications"
    for bundles in (shipped_applications(), FOR_TESTS):
        shutil.copytree(bundles, applications, dirs_exist_ok=True)
    picky = applications / "picky" / "app.yaml"
    picky.write_text(picky.read_text().replace("default: 30", f"default: 30, clusters: {{{AWAY}: {{maximum: 60}}}}"))
    with service_in(sandbox, folder, people=PEOPLE, applications={"path": str(applications)}) as service:
        service.configure({"clusters": {AWAY: out_of_reach(service.settings["clusters"]["main"])}, "mail": MAIL})
        service.start()
        service.wait_until_ready(120)
        until(lambda: httpx2.get(f"{service.portal_url}/readyz").status_code == 200, 30, "the portal is ready")
        yield service


def out_of_reach(cluster: dict[str, Any]) -> dict[str, Any]:
    """A cluster's settings with nobody at its addresses."""
    node = {**cluster["command_nodes"][0], "host": NOBODY}
    gateway = {**cluster["gateways"][0], "name": "far", "host": NOBODY, "internal_ip": NOBODY, "external_ip": NOBODY}
    return {**cluster, "title": "Far away", "command_nodes": [node], "gateways": [gateway]}


@pytest.fixture(scope="package")
def browser(sandbox: Sandbox) -> Iterator[Browser]:
    """Closed before other suites begin: Playwright keeps this thread's event loop for itself."""
    with chromium(names=names_of_gateways(sandbox)) as browser:
        yield browser


@pytest.fixture(scope="package")
def alice(service: LocalService) -> Iterator[Person]:
    with service.client() as client:
        yield Person(client)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Makes pages that share nothing, neither cookies nor storage."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(new_page(browser))


@pytest.fixture(scope="package")
def signed_in(browser: Browser, service: LocalService) -> dict[str, Any]:
    """Everybody's cookies after signing in."""
    states: dict[str, Any] = {}
    for name in PEOPLE:
        with new_page(browser) as page:
            Portal(page, service.portal_url).sign_in(name, service.passwords[name])
            states[name] = page.context.storage_state()
    return states


@pytest.fixture
def portal(browser: Browser, service: LocalService, signed_in: dict[str, Any]) -> Iterator[Callable[..., Portal]]:
    """Makes pages of the portal for somebody who has signed in; options: of Playwright's contexts."""
    with ExitStack() as stack:

        def open_for(name: str = "alice", **options: Any) -> Portal:
            page = stack.enter_context(new_page(browser, storage_state=signed_in[name], **options))
            return Portal(page, service.portal_url)

        yield open_for
