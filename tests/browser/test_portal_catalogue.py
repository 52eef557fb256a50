"""The catalogue is searched while one types; without scripts, by the button."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.support.portal_pages import Portal
from tests.support.world import Person


@pytest.fixture
def tools(alice: Person) -> list[str]:
    """Titles of one category, as the API has them."""
    items = alice.client.get("/api/v1/applications").json()["items"]
    found = [each["title"] for each in items if each["category"] == "Tools"]
    assert "Terminal" in found
    assert len(found) < len(items)
    return found


def titles(mine: Portal) -> Locator:
    """Of what is shown."""
    return mine.page.locator("#catalogue .tile strong")


def test_typing_and_choosing_filter_without_a_reload(portal: Callable[..., Portal], tools: list[str]) -> None:
    mine = portal()
    mine.open("/applications")
    mine.page.evaluate("globalThis.neverReloaded = true")
    all_of_them = titles(mine).count()
    search = mine.page.get_by_label("Search applications")
    search.press_sequentially("shell terminal")
    expect(titles(mine)).to_have_text(["Terminal"])
    expect(mine.page).to_have_url(re.compile(r"/applications\?q=shell(\+|%20)terminal"))
    expect(search).to_be_focused()
    search.press_sequentially(" of nobody")
    expect(mine.page.locator("#catalogue")).to_have_text("There is no such application.")
    search.fill("")
    expect(titles(mine)).to_have_count(all_of_them)
    mine.page.get_by_label("Category").select_option("Tools")
    expect(titles(mine)).to_have_text(tools)
    expect(mine.page.get_by_role("button", name="Search")).to_be_hidden()
    assert mine.page.evaluate("globalThis.neverReloaded")
    mine.page.reload()
    expect(titles(mine)).to_have_text(tools)  # the address says what is shown


def test_without_scripts_the_button_searches(portal: Callable[..., Portal], tools: list[str]) -> None:
    mine = portal(java_script_enabled=False)
    mine.open("/applications")
    search, button = mine.page.get_by_label("Search applications"), mine.page.get_by_role("button", name="Search")
    search.fill("shell terminal")
    button.click()
    expect(titles(mine)).to_have_text(["Terminal"])
    expect(search).to_have_value("shell terminal")
    search.fill("")
    mine.page.get_by_label("Category").select_option("Tools")
    button.click()
    expect(titles(mine)).to_have_text(tools)
    expect(mine.page.get_by_label("Category")).to_have_value("Tools")
