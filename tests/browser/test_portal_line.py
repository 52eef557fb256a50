"""A page whose line to the portal breaks: it says so, says why, and is whole again by itself."""

from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from playwright.sync_api import expect

from bwvisu.cli.local import LocalService
from tests.support.portal_pages import Portal
from tests.support.portal_process import portal_of
from tests.support.waiting import free_port
from tests.support.world import Person


def test_a_page_says_that_its_line_is_broken_or_its_session_over_and_is_whole_again(
    portal: Callable[..., Portal], service: LocalService, alice: Person, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    mine = Portal(portal().page, url)
    trouble = mine.page.locator("#trouble")
    with portal_of(service, tmp_path, url):
        job_id = alice.submit("picky")
        mine.open(f"/sessions/{job_id}")
        mine.page.evaluate("globalThis.neverReloaded = true")
        mine.expect(job_id, "Ready")
        expect(trouble).to_be_empty()
    expect(trouble).to_contain_text("The line to this portal is broken.")
    alice.cancel(job_id)
    alice.wait(job_id, "finished")
    with portal_of(service, tmp_path, url):
        mine.expect(job_id, "Stopped")
        expect(trouble).to_be_empty()
        mine.page.context.clear_cookies()
    with portal_of(service, tmp_path, url):
        expect(trouble).to_contain_text("Your session is over", timeout=90_000)  # the browser comes ever less often
        assert mine.page.evaluate("globalThis.neverReloaded")
        trouble.get_by_role("link", name="Sign in").click()
        mine.page.wait_for_url(lambda at: unquote(at) == f"{url}/sign-in?to=/sessions/{job_id}")
