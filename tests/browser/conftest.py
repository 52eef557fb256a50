"""One service and one browser for all tests here; each test has pages of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page

from bwvisu.cli.local import LocalService, install_terminal
from bwvisu.sandbox import Sandbox
from tests.support.browser import chromium, new_page
from tests.support.world import Person, service_in


@pytest.fixture(scope="package")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    install_terminal()
    with service_in(sandbox, tmp_path_factory.mktemp("service")) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Closed before other suites begin: Playwright keeps this thread's event loop for itself."""
    with chromium() as browser:
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
