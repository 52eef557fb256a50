"""Sessions that are bound to addresses, by the portal in a real browser: Connect admits, and revoking shuts out.

The portal here believes nobody, or a proxy before it, about where a visitor comes from.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from bwvisu.cli.local import LocalService, install_terminal, until
from bwvisu.sandbox import Sandbox
from bwvisu.sandbox.topology import MIDDLEWARE
from tests.gateways.test_admissions import Caller, flows_of
from tests.support.browser import Terminal, chromium, new_page
from tests.support.portal_pages import Portal
from tests.support.world import Person, leave_whole, service_in

Visit = Callable[[str], AbstractContextManager[Page]]


@contextmanager
def bound(box: Sandbox, folder: Path, proxies: list[str]) -> Iterator[tuple[LocalService, Visit]]:
    """A service whose forwards are bound, and visits of a browser that says for whom it asks; a real one, as a proxy.

    The browser's connections to the portal come from where those to the gateways come from.
    """
    install_terminal()
    here = box.addresses[MIDDLEWARE].outer
    forwards = {"forwards": {"admission": "owner-address"}}
    with service_in(box, folder, forwards, people=["alice"]) as service, chromium() as browser:
        url = f"http://{here}:{service.settings['portal']['port']}"
        service.configure({"portal": {"host": here, "public_url": url, "trusted_proxies": proxies}})
        service.start()
        service.wait_until_ready()
        yield service, lambda source: new_page(browser, extra_http_headers={"X-Forwarded-For": source})


@pytest.mark.timeout(600)
def test_connect_admits_the_visitor_s_address_and_revoking_it_closes_what_is_open(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    here, claimed = sandbox.addresses[MIDDLEWARE].outer, sandbox.addresses["outside"].outer
    assert here
    assert claimed
    with (
        bound(sandbox, tmp_path / "service", []) as (service, visit),
        service.client() as client,
        visit(claimed) as page,
    ):
        alice, mine = Person(client), Portal(page, service.portal_url)
        mine.sign_in("alice", service.passwords["alice"])
        job_id = mine.launch("terminal", {"Run time": "10"})
        mine.expect(job_id, "Ready")
        path = f"/api/v1/jobs/{job_id}/admissions"
        assert client.get(path).json()["items"] == []
        with page.context.expect_page() as pages:
            mine.press(job_id, "Connect")
        terminal = Terminal(pages.value, "")
        terminal.wait_for("$ ")
        (web,) = alice.job(job_id)["services"]
        assert flows_of(sandbox, web["gateway"], here)
        (entry,) = client.get(path).json()["items"]
        assert (entry["address"], entry["user"]) == (here, "alice"), "nobody is asked whom the visitor claims to be"
        assert Caller(sandbox, web, claimed).met == "silence"

        mine.open(f"/sessions/{job_id}")
        page.get_by_role("button", name="Revoke").click()
        expect(page.get_by_role("status").first).to_contain_text("The address is not admitted any more.")
        assert client.get(path).json()["items"] == []
        until(lambda: not flows_of(sandbox, web["gateway"], here), 20, "what was open is cut")
        mine.stop(job_id)
        leave_whole(service, client)
        assert alice.job(job_id)["outcome"] == "cancelled"


@pytest.mark.timeout(600)
def test_a_trusted_proxy_s_word_is_whom_connect_admits(sandbox: Sandbox, tmp_path: Path) -> None:
    here, visitor = sandbox.addresses[MIDDLEWARE].outer, sandbox.addresses["outside"].outer
    assert here
    assert visitor
    with bound(sandbox, tmp_path / "service", [here]) as (service, visit), service.client() as client:
        with visit(visitor) as page:
            mine = Portal(page, service.portal_url)
            mine.sign_in("alice", service.passwords["alice"])
            job_id = mine.launch("terminal", {"Run time": "10"})
            mine.expect(job_id, "Ready")
            (web,) = client.get(f"/api/v1/jobs/{job_id}").json()["services"]
            assert Caller(sandbox, web, visitor).met == "silence"
            mine.press(job_id, "Connect")
            path = f"/api/v1/jobs/{job_id}/admissions"
            until(lambda: client.get(path).json()["items"], 20, "Connect has admitted somebody")
            (entry,) = client.get(path).json()["items"]
            assert entry["address"] == visitor
            until(lambda: answer(sandbox, web, visitor), 20, "the visitor comes in")
        with visit("2001:db8::1") as page:
            mine = Portal(page, service.portal_url)
            mine.sign_in("alice", service.passwords["alice"])
            advice = mine.card(job_id).locator(".advice")
            expect(advice).to_contain_text("reached by IPv4 only, and you come by another version")
            mine.stop(job_id)
        leave_whole(service, client)


def answer(box: Sandbox, web: dict[str, str], source: str) -> bool:
    """Whether a client of this address is let in."""
    caller = Caller(box, web, source)
    caller.ends()
    return caller.met == "in"
