"""Single-port mode: Jupyter by HTTPS at one port, let in by a cookie; 403 without it, or with that of another job."""

from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from bwvisu.cli.local import LocalService, install_terminal, until
from bwvisu.sandbox import Sandbox
from tests.browser.test_jupyter import POSTS
from tests.support.browser import PATIENCE, Terminal, new_page
from tests.support.notebooks import forget_workspaces, run_cell
from tests.support.portal_pages import Portal
from tests.support.proxies import Proxies, proxied
from tests.support.secrecy import addresses_of
from tests.support.world import OpenJob, Person, opened, service_in

CELL = "import os, socket; print(1 + 1, socket.gethostname())"
STATUS = "path => fetch(path).then(answer => answer.status)"
REFUSAL = "Please connect through the portal"


@pytest.fixture(scope="module")
def service(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalService]:
    """Another one, at the same gateways."""
    install_terminal()
    with service_in(sandbox, tmp_path_factory.mktemp("proxied"), people=["alice"]) as service:
        yield service


@pytest.fixture(scope="module")
def proxies(service: LocalService, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxies]:
    with proxied(service, tmp_path_factory.mktemp("proxies")) as proxies:
        service.start()
        service.wait_until_ready(120)
        yield proxies


@pytest.fixture(scope="module")
def owner(service: LocalService, proxies: Proxies) -> Iterator[Person]:
    assert proxies.gateways
    with service.client() as client:
        yield Person(client)


@pytest.fixture(scope="module")
def lab(owner: Person, sandbox: Sandbox) -> Iterator[OpenJob]:
    forget_workspaces(sandbox)
    with opened(owner, "jupyter") as job:
        yield job


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Callable[[], Page]]:
    """Somebody whom no server knows; the sandbox's authority is not among the browser's own."""
    pages = []

    def new() -> Page:
        page = browser.new_context(ignore_https_errors=True).new_page()
        pages.append(page)
        return page

    yield new
    for page in pages:
        page.context.close()


def enter(page: Page, job: OpenJob) -> None:
    """As the portal's page does it: another site's page posts the form."""
    assert job.form
    page.evaluate(POSTS, job.form)


def test_a_person_runs_a_cell_of_a_notebook_at_the_one_port(
    lab: OpenJob, owner: Person, visitor: Callable[[], Page]
) -> None:
    page = visitor()
    sent = addresses_of(page)
    enter(page, lab)
    expect(run_cell(page, CELL)).to_have_text(f"2 {lab.node}\n", timeout=PATIENCE)
    parts = urlsplit(page.url)
    assert (parts.scheme, parts.port, parts.query) == ("https", None, "")
    (service,) = owner.job(lab.id)["services"]
    assert (service["protocol"], service["external_port"]) == ("https", 443)
    assert parts.hostname == service["external_host"]
    assert lab.form
    token = lab.form["fields"]["bwvisu_token"]
    assert not [address for address in sent if token in address or lab.password in address]
    (cookie,) = [each for each in page.context.cookies() if each.get("name") == "__Host-bwvisu"]
    assert (cookie.get("secure"), cookie.get("httpOnly"), cookie.get("domain")) == (True, True, parts.hostname)


def test_nobody_comes_in_without_the_cookie_or_with_that_of_another_job(
    lab: OpenJob, owner: Person, visitor: Callable[[], Page]
) -> None:
    stranger = visitor()
    answer = stranger.goto(lab.url)
    assert answer
    assert answer.status == 403
    expect(stranger.get_by_role("heading")).to_have_text(REFUSAL)
    assert stranger.evaluate(STATUS, "/api/kernels") == 403
    assert lab.form
    with opened(owner, "jupyter") as other:
        neighbour = visitor()
        enter(neighbour, other)
        expect(neighbour.locator(".jp-LabShell")).to_be_visible(timeout=PATIENCE)
        (cookie,) = [each for each in neighbour.context.cookies() if each.get("name") == "__Host-bwvisu"]
        host = urlsplit(lab.url).hostname
        neighbour.context.add_cookies(
            [{"name": "__Host-bwvisu", "value": str(cookie.get("value")), "url": f"https://{host}/"}]
        )
        answer = neighbour.goto(lab.url)
        assert answer
        assert answer.status == 403
        forged = {**lab.form, "fields": lab.form["fields"] | {"bwvisu_token": str(cookie.get("value"))}}
        neighbour.evaluate(POSTS, forged)
        expect(neighbour.get_by_role("heading")).to_have_text(REFUSAL)


def test_a_desktop_s_password_stays_in_the_fragment_on_the_way_through_the_door(
    owner: Person, visitor: Callable[[], Page]
) -> None:
    """The page is asked for by POST, answered with the cookie and a redirect; what stands behind ``#`` stays there."""
    with opened(owner, "desktop", session="icewm") as job:
        page = visitor()
        sent = addresses_of(page)
        enter(page, job)
        expect(page.locator("#noVNC_container canvas")).to_be_visible(timeout=PATIENCE)
        assert urlsplit(page.url).fragment == urlsplit(job.url).fragment
        assert job.form
        assert not [address for address in sent if job.form["fields"]["bwvisu_enter"] in address]


def test_connect_in_the_portal_opens_a_terminal_and_its_end_closes_the_connection(
    browser: Browser, service: LocalService, owner: Person
) -> None:
    with new_page(browser, ignore_https_errors=True) as page:
        mine = Portal(page, service.portal_url)
        mine.sign_in("alice", service.passwords["alice"])
        job_id = mine.launch("terminal", {"Run time": "5"})
        mine.expect(job_id, "Ready")
        with page.context.expect_page() as pages:
            mine.press(job_id, "Connect")
        terminal = Terminal(pages.value, "")
        terminal.wait_for("$ ")
        terminal.type("echo hello-$((40+2))")
        terminal.wait_for("hello-42")
        mine.press_stop(job_id)
        mine.expect(job_id, "Stopped")
        until(lambda: status_of(terminal.page) == 404, 30, "its name leads nowhere")
        assert owner.job(job_id)["state"] == "finished"


def status_of(page: Page) -> int:
    return int(page.evaluate(STATUS, "/"))
