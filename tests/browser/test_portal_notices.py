"""Notifications of the browser: asked for by a button and never by the page itself."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from bwvisu.cli.local import until
from tests.support.portal_pages import Portal

NOTIFICATION = """
globalThis.asked = 0;
globalThis.Notification = class {
  static permission = "PERMISSION";
  static async requestPermission() {
    globalThis.asked += 1;
    globalThis.Notification.permission = "granted";
    return "granted";
  }
};
"""
"""The browser's, which would ask its person in a window that no test can press."""


def page_where(portal: Callable[..., Portal], permission: str) -> Portal:
    """All sessions, in a browser whose person has said so."""
    mine = portal()
    mine.page.add_init_script(NOTIFICATION.replace("PERMISSION", permission))
    mine.open()
    return mine


def test_permission_is_asked_for_by_the_button_and_only_then(portal: Callable[..., Portal]) -> None:
    mine = page_where(portal, "default")
    button = mine.page.get_by_role("button", name="Notify me")
    expect(button).to_be_visible()
    assert mine.page.evaluate("asked") == 0
    button.click()
    until(lambda: mine.page.evaluate("asked") == 1, 5, "the browser asks")
    expect(button).to_be_hidden()


@pytest.mark.parametrize("permission", ["granted", "denied"])
def test_who_has_answered_is_not_asked_again(portal: Callable[..., Portal], permission: str) -> None:
    mine = page_where(portal, permission)
    expect(mine.page.locator("html")).to_have_attribute("data-scripted", "")
    expect(mine.page.locator("#notify")).to_be_hidden()
