"""A real browser, Debian's Chromium driven by Playwright, and what a person does in it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, Locator, Page, WebSocket, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)
"""Nothing but the pages that are asked for is fetched."""
PATIENCE = 30_000
"""Milliseconds until anything that a page should do counts as not done."""


@contextmanager
def chromium(
    width: int = 1200, height: int = 900, scale: float = 1, names: Mapping[str, str] | None = None
) -> Iterator[Browser]:
    """A headless browser with a profile of its own; window in CSS pixels, ``scale``: device pixels per CSS pixel.

    ``names``: host names, or patterns of them, and the addresses that they have for this browser.

    No coroutine may run in this thread meanwhile.
    """
    # Playwright could emulate the scale, but what xterm.js asks for the size of its canvas tells the true one.
    flags = [*FLAGS, f"--window-size={width},{height}", f"--force-device-scale-factor={scale}"]
    flags += [f"--host-resolver-rules={','.join(f'MAP {name} {to}' for name, to in names.items())}"] if names else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags, chromium_sandbox=False)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def knowing(browser: Browser, names: str, address: str) -> Iterator[Browser]:
    """Another headless browser, of the same Playwright, for which all names of a pattern lead to one address."""
    rule = f"--host-resolver-rules=MAP {names} {address}"
    other = browser.browser_type.launch(executable_path=CHROMIUM, args=[*FLAGS, rule], chromium_sandbox=False)
    try:
        yield other
    finally:
        other.close()


@contextmanager
def new_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page of somebody whom no server knows yet; ``options``: of Playwright's contexts, e.g. `color_scheme`."""
    context = browser.new_context(no_viewport="viewport" not in options or None, **options)
    context.set_default_timeout(PATIENCE)
    try:
        yield context.new_page()
    finally:
        context.close()


class Terminal:
    """The page of the application ``terminal`` as a person uses it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url

    def sign_in(self, password: str) -> WebSocket:
        """By the form that the address leads to; the shell's connection."""
        self.page.goto(self.url)
        with self.page.expect_websocket(lambda socket: "/terminals/websocket/" in socket.url) as shell:
            self.submit(password)
        self.wait_for("$ ")
        return shell.value

    def submit(self, password: str) -> None:
        """Fill in the form and send it off."""
        self.page.get_by_label("Password or token").fill(password)
        self.page.get_by_role("button", name="Log in", exact=True).click()

    def type(self, line: str) -> None:
        """Type a line into the shell."""
        self.page.locator(".xterm").click()
        self.page.keyboard.type(f"{line}\n")

    def wait_for(self, text: str | re.Pattern[str]) -> list[str]:
        """Wait until the screen shows a text; all its lines."""
        expect(self.screen).to_contain_text(text, timeout=PATIENCE)
        return self.lines()

    def lines(self) -> list[str]:
        """What the screen shows now."""
        return self.screen.inner_text().splitlines()

    @property
    def screen(self) -> Locator:
        """What xterm.js tells screen readers; elsewhere it only draws."""
        return self.page.locator(".xterm-accessibility-tree")
