"""A session from its launch to its end, as its owner sees it: without a reload, and with nobody else looking."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.browser import Terminal
from tests.support.portal_pages import Portal
from tests.support.world import Person, slurm_jobs

EATER = "exec tail /dev/zero"
ONCE_TOLD_TO = 'until [ -e go ]; do sleep 0.1; done; exec python3 -m http.server "$KEYHOLE_PORT0"'
"""Serves its home once there is a file in it."""
NOTES = """
globalThis.notes = [];
globalThis.Notification = class {
  static permission = "granted";
  constructor(title, options) { globalThis.notes.push(`${title} ${options.body}`); }
};
"""


def test_a_card_becomes_ready_by_itself_and_opens_a_terminal_without_a_secret_in_any_address(
    portal: Callable[..., Portal], alice: Person, sandbox: Sandbox
) -> None:
    mine = portal()
    addresses: list[str] = []
    mine.page.context.on("request", lambda request: addresses.append(request.url))
    job_id = mine.launch("terminal", {"Run time": "5"})
    mine.page.evaluate("globalThis.neverReloaded = true")
    mine.expect(job_id, "Ready")
    assert mine.page.evaluate("globalThis.neverReloaded")
    expect(mine.card(job_id).get_by_role("listitem")).to_have_text([
        re.compile("Accepted.*second"),
        re.compile("Queued.*second"),
        re.compile("Starting.*second"),
        "Ready",
    ])  # fmt: skip
    expect(mine.card(job_id).locator(".left.soon")).to_contain_text("Ends in")

    with mine.page.context.expect_page() as opened:
        mine.press(job_id, "Connect")
    terminal = Terminal(opened.value, "")
    terminal.wait_for("$ ")
    terminal.type("echo hello-$((40+2)); whoami")
    terminal.wait_for("hello-42")
    until(lambda: "hello-42\nalice\n" in "\n".join(terminal.lines()), 30, "both have answered")
    password = alice.access(job_id)["password"]
    assert any("/login?" in address for address in addresses)
    assert not [address for address in addresses if password in address]

    mine.press_stop(job_id)
    mine.expect(job_id, "Stopped")
    assert not slurm_jobs(sandbox, job_id)


def test_a_stop_that_is_confirmed_after_its_card_has_changed_is_not_lost(
    portal: Callable[..., Portal], sandbox: Sandbox
) -> None:
    mine = portal()
    job_id = mine.launch("served", {"Line": ONCE_TOLD_TO})
    mine.expect(job_id, "Starting")
    mine.press(job_id, "Stop")
    mine.page.evaluate("id => { globalThis.asked = document.getElementById(id).form }", f"stop-{job_id}")
    sandbox.run("cmd1", ["touch", "go"], user="alice")
    mine.expect(job_id, "Ready")
    assert not mine.page.evaluate("globalThis.asked.isConnected"), "the card kept its form: this tries nothing"
    mine.confirm("Stop")
    mine.expect(job_id, "Stopped")


def test_it_is_started_again_with_the_same_or_with_other_values(portal: Callable[..., Portal], alice: Person) -> None:
    mine = portal()
    first = mine.launch("picky", {"Run time": "25", "Note": "once more"})
    mine.stop(first)
    mine.press(first, "Launch again")
    expect(mine.page.get_by_label("Run time", exact=True)).to_have_value("25")
    mine.fill({"Run time": "35"})
    second = mine.send()
    assert alice.job(second)["parameters"] == {**alice.job(first)["parameters"], "minutes": 35}
    mine.open("/applications/picky")
    expect(mine.page.get_by_label("Run time", exact=True)).to_have_value("35")
    mine.stop(second)


def test_a_session_that_failed_says_why_and_what_to_do(portal: Callable[..., Portal]) -> None:
    mine = portal()
    job_id = mine.launch("served", {"Line": "echo the; echo; echo disk is full; exit 3"})
    mine.open(f"/sessions/{job_id}")  # the card, the times and the log come by themselves
    mine.expect(job_id, "Failed")
    expect(mine.card(job_id)).to_contain_text("exit code 3")
    expect(mine.card(job_id)).to_contain_text("The last lines of its log may say why.")
    expect(mine.page.locator("#facts")).to_contain_text("Ended")
    expect(mine.page.locator("pre.log")).to_contain_text("the\n\ndisk is full")
    mine.press(job_id, "Launch again")
    expect(mine.page.get_by_label(re.compile("^Line"))).to_have_value("echo the; echo; echo disk is full; exit 3")


def test_a_session_that_ran_out_of_memory_suggests_more(portal: Callable[..., Portal]) -> None:
    mine = portal()
    job_id = mine.launch("command", {"Line": EATER, "Memory": "100"})
    mine.expect(job_id, "Ran out of memory")
    expect(mine.card(job_id)).to_contain_text("Start it again with more memory.")
    mine.press(job_id, "Launch again with more memory")
    expect(mine.page.get_by_label("Memory")).to_have_value("200")


def test_its_owner_is_told_when_it_is_ready_before_its_end_and_when_it_ended_unexpectedly(
    portal: Callable[..., Portal], sandbox: Sandbox
) -> None:
    mine = portal(permissions=["notifications"])
    mine.page.add_init_script(NOTES)
    job_id = mine.launch("picky", {"Run time": "5"})
    mine.expect(job_id, "Ready")
    until(lambda: len(notes(mine)) == 2, 20, "it is told that it is ready and that it ends soon")
    assert sorted(notes(mine)) == ["Picky ends in ten minutes", "Picky is ready"]
    mine.open(f"/sessions/{job_id}")  # where it is told as well
    (job,) = slurm_jobs(sandbox, job_id)
    sandbox.run("cmd1", ["scancel", job["id"]], user="alice").check_returncode()
    mine.expect(job_id, "Stopped")
    until(lambda: notes(mine) == ["Picky has ended unexpectedly"], 20, "it is told that it has ended")


def notes(person: Portal) -> list[str]:
    """What the page has told the system to show."""
    return list(person.page.evaluate("notes"))


def test_what_a_program_of_ones_own_needs_is_shown_and_copied(portal: Callable[..., Portal], alice: Person) -> None:
    mine = portal(permissions=["clipboard-read", "clipboard-write"])
    job_id = mine.launch("picky")
    mine.expect(job_id, "Ready")
    with mine.page.context.expect_page() as opened:
        mine.press(job_id, "Connect")
    page = opened.value
    access = alice.access(job_id)
    expect(page.locator("#command")).to_have_text(access["native"])
    page.get_by_role("button", name="Copy the command").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == access["native"]
    assert access["password"] not in page.url


def test_a_password_that_must_be_typed_is_shown_and_copied_and_nothing_opens_by_itself(
    portal: Callable[..., Portal], alice: Person
) -> None:
    mine = portal(permissions=["clipboard-read", "clipboard-write"])
    job_id = mine.launch("page", {"Run time": "5"})
    mine.expect(job_id, "Ready")
    with mine.page.context.expect_page() as opened:
        mine.press(job_id, "Connect")
    page = opened.value
    password = alice.access(job_id)["password"]
    expect(page.locator("#user")).to_have_text("alice")
    expect(page.locator("#secret")).to_have_text(password)
    page.get_by_role("button", name="Copy the password").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == password
    with mine.page.context.expect_page() as application:
        page.get_by_role("link", name="Open").click()
    expect(application.value.locator("body")).to_contain_text("Hello from a compute node")
    expect(page.locator("#secret")).to_be_visible()
    assert password not in page.url + application.value.url
    mine.press_stop(job_id)


def test_an_hour_more_is_shown_as_soon_as_the_cluster_gives_it_and_in_german(
    portal: Callable[..., Portal], alice: Person
) -> None:
    mine = portal(locale="de-DE")
    job_id = mine.launch("picky", {"Run time": "30"}, button="Starten")
    mine.expect(job_id, "Bereit")
    expect(mine.card(job_id).locator(".left")).to_contain_text("Minuten")
    mine.card(job_id).get_by_label("Zusätzliche Zeit").select_option("60")
    mine.press(job_id, "Mehr Zeit")
    expect(mine.page.locator("#told")).to_contain_text("ehr Zeit")
    expect(mine.card(job_id).locator(".left")).to_contain_text("Endet in 1 Stunde", timeout=30_000)
    assert alice.job(job_id)["slurm"]["time_limit_minutes"] == 90
    mine.press_stop(job_id, "Beenden")


@pytest.fixture
def job_of_alice(alice: Person) -> str:
    """A running one."""
    return alice.submit("picky")


def test_nobody_elses_session_can_be_seen_or_touched(
    portal: Callable[..., Portal], job_of_alice: str, alice: Person, service: LocalService
) -> None:
    bob = portal("bob")
    bob.open()
    for what in ("", "/log", "/script"):
        answer = bob.page.request.get(f"{service.portal_url}/sessions/{job_of_alice}{what}")
        assert answer.status == 404, what
    for what in ("connect", "extend", "stop"):
        assert bob.post(f"/sessions/{job_of_alice}/{what}", {"back": "/"}) == 404, what
    assert bob.page.request.get(f"{service.portal_url}/applications/picky?job={job_of_alice}").status == 404
    assert bob.post(f"/admin/sessions/{job_of_alice}/stop") == 403
    assert job_of_alice not in bob.page.content()
    assert alice.wait(job_of_alice, "available")["wanted"] == "running"
    alice.cancel(job_of_alice)


def test_without_javascript_everything_works_but_the_moving(
    portal: Callable[..., Portal], service: LocalService
) -> None:
    visitor = portal(java_script_enabled=False)
    visitor.page.context.clear_cookies()
    visitor.sign_in("alice", service.passwords["alice"])
    job_id = visitor.launch("page", {"Run time": "5"})
    until_shown(visitor, job_id, "Ready")
    with visitor.page.context.expect_page() as opened:
        visitor.press(job_id, "Connect")
    expect(opened.value.locator("#secret")).not_to_be_empty()
    with visitor.page.context.expect_page() as application:
        opened.value.get_by_role("link", name="Open").click()
    expect(application.value.locator("body")).to_contain_text("Hello from a compute node")
    visitor.press(job_id, "Stop")
    until_shown(visitor, job_id, "Stopped")


def until_shown(visitor: Portal, job_id: str, state: str) -> None:
    """Reload until the card says so."""

    def shown() -> bool:
        visitor.open()
        return visitor.card(job_id).locator(".badge").inner_text() == state

    until(shown, 60, f"the card says {state}")
