"""Sessions that are bound to addresses, by the portal in a real browser: Connect admits, and revoking shuts out."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from bwvisu.cli.local import install_terminal, until
from bwvisu.sandbox import Sandbox
from bwvisu.sandbox.topology import MIDDLEWARE
from tests.gateways.test_admissions import flows_of
from tests.support.browser import Terminal, chromium, new_page
from tests.support.portal_pages import Portal
from tests.support.world import Person, leave_whole, service_in


@pytest.mark.timeout(600)
def test_connect_admits_the_visitor_s_address_and_revoking_it_closes_what_is_open(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    install_terminal()
    here = sandbox.addresses[MIDDLEWARE].outer
    assert here
    bound = {"forwards": {"admission": "owner-address"}}
    with service_in(sandbox, tmp_path / "service", bound, people=["alice"]) as service, chromium() as browser:
        port = service.settings["portal"]["port"]
        # The browser's connections to it come from where those to the gateways come from.
        service.configure({"portal": {"host": here, "public_url": f"http://{here}:{port}"}})
        service.start()
        service.wait_until_ready()
        with service.client() as client, new_page(browser) as page:
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
            assert (entry["address"], entry["user"]) == (here, "alice")

            mine.open(f"/sessions/{job_id}")
            page.get_by_role("button", name="Revoke").click()
            expect(page.get_by_role("status").first).to_contain_text("The address is not admitted any more.")
            assert client.get(path).json()["items"] == []
            until(lambda: not flows_of(sandbox, web["gateway"], here), 20, "what was open is cut")
            mine.stop(job_id)
            leave_whole(service, client)
            assert alice.job(job_id)["outcome"] == "cancelled"
