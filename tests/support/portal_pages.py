"""The portal's pages in a real browser, and what a person does on them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect


@dataclass(frozen=True)
class Portal:
    """Somebody's page at the portal."""

    page: Page
    url: str

    def sign_in(self, name: str, password: str) -> None:
        """By the form that every page leads to."""
        self.page.goto(self.url)
        self.page.get_by_label("User name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(f"{self.url}/")

    def open(self, path: str = "/") -> None:
        """Go to a page."""
        self.page.goto(self.url + path)

    def fill(self, values: Mapping[str, str]) -> None:
        """Type values into a form, by the titles of its fields."""
        for title, value in values.items():
            self.page.get_by_label(re.compile(rf"^{title}( \*)?$")).fill(value)

    def launch(self, application: str, values: Mapping[str, str] | None = None, button: str = "Launch") -> str:
        """By its form; the job's id.  The page of all sessions is open then."""
        self.open(f"/applications/{application}")
        self.fill(values or {})
        return self.send(button)

    def send(self, button: str = "Launch") -> str:
        """Launch what the open form says; the job's id."""
        self.page.get_by_role("button", name=button, exact=True).click()
        self.page.wait_for_url(re.compile("#job-"))
        return self.page.url.partition("#job-")[2]

    def card(self, job_id: str) -> Locator:
        """A job's card."""
        return self.page.locator(f"#job-{job_id}")

    def expect(self, job_id: str, state: str) -> None:
        """Wait until the card says so, without a reload."""
        expect(self.card(job_id).locator(".badge")).to_have_text(state, timeout=60_000)

    def press(self, job_id: str, button: str) -> None:
        """A button or link of a card."""
        self.card(job_id).locator("button, a", has_text=re.compile(f"^{button} ·")).click()

    def press_stop(self, job_id: str, button: str = "Stop") -> None:
        """And say once more that it is meant."""
        self.press(job_id, button)
        self.confirm(button)

    def confirm(self, button: str) -> None:
        """Say in the dialog that what was pressed is meant."""
        self.page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()

    def stop(self, job_id: str) -> None:
        """And wait until it has ended."""
        self.open()
        self.press_stop(job_id)
        self.expect(job_id, "Stopped")

    def csrf(self) -> str:
        """What forms of this session carry."""
        return str(self.page.locator("input[name=csrf]").first.get_attribute("value"))

    def post(self, path: str, form: Mapping[str, Any] | None = None) -> int:
        """Send a form that no page of ours would show; the status.  A redirect is not followed."""
        fields = {"csrf": self.csrf(), **(form or {})}
        return self.page.request.post(self.url + path, form=fields, max_redirects=0).status
