"""What administrators do, in the browser; and that nobody else can."""

from collections.abc import Callable

from playwright.sync_api import expect

from bwvisu.cli.local import LocalService
from tests.support.portal_pages import Portal
from tests.support.world import Person


def test_an_administrator_drains_a_gateway_and_puts_it_to_use_again(
    portal: Callable[..., Portal], alice: Person, service: LocalService
) -> None:
    carol = portal("carol")
    carol.open("/admin")
    row = carol.page.locator("#gateway-gw1")
    row.get_by_role("button", name="Drain gw1").click()
    expect(row).to_contain_text("drained")
    job = alice.wait(alice.submit("picky"), "available")
    assert {each["gateway"] for each in job["services"]} == {"gw2"}

    row.get_by_role("button", name="Put to use gw1").click()
    expect(row).to_contain_text("in use")
    shown = alice.client.get("/api/v1/clusters/main").json()["gateways"]
    assert not [gateway["name"] for gateway in shown if gateway["drained"]]

    carol.open("/admin/sessions?q=alice")
    carol.page.get_by_role("button", name=f"Stop {job['id']}").click()
    asked = carol.page.get_by_role("dialog", name="Stop “Picky” of alice?")
    asked.get_by_role("button", name="Stop", exact=True).click()
    ended = alice.wait(job["id"], "finished")
    assert ended["reason"]["code"] == "cancelled-by-administrator"
    carol.open("/admin/audit")
    for words in ("Stop a session", "Drain a gateway", "Put a gateway to use"):
        row = carol.page.get_by_role("row").filter(has_text=words).first
        expect(row).to_contain_text("carol")
        expect(row).to_contain_text("done")
    mine = portal()
    mine.open()
    expect(mine.card(job["id"])).to_contain_text("not by its owner")


def test_nobody_else_has_these_pages(portal: Callable[..., Portal], alice: Person) -> None:
    mine = portal()
    mine.open()
    expect(mine.page.get_by_role("link", name="Administration")).to_have_count(0)
    for path in ("/admin", "/admin/sessions", "/admin/audit"):
        assert mine.page.request.get(mine.url + path).status == 403
    assert mine.post("/admin/gateways/main/gw1", {"do": "drain"}) == 403
    shown = alice.client.get("/api/v1/clusters/main").json()["gateways"]
    assert not [gateway["name"] for gateway in shown if gateway["drained"]]
