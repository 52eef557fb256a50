"""Signing in with a real browser: on the page of a real OpenID Connect provider, and with people of a real slapd."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from bwvisu.cli.local import LocalService
from tests.support.browser import new_page
from tests.support.portal_process import portal_of
from tests.support.provider import running_provider
from tests.support.slapd import GROUPS, Slapd, new_slapd
from tests.support.waiting import free_port


def people_from(service: LocalService, folder: Path, url: str, auth: dict[str, Any]) -> AbstractContextManager[str]:
    """One more portal, whose people come from elsewhere."""
    return portal_of(service, folder, url, auth=auth, admin_groups=["administrators"])


@pytest.fixture(scope="module")
def by_oidc(service: LocalService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal whose people sign in at a provider's."""
    folder, url = tmp_path_factory.mktemp("oidc"), f"http://127.0.0.1:{free_port()}"
    with running_provider(folder, url) as provider, people_from(service, folder, url, provider.plain_settings()) as at:
        yield at


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with new_slapd() as server:
        server.person("alice", "ünder the sea", cn="Alice of Example")
        server.group("administrators", member=server.person("carol", "secret"))
        server.load()
        server.start()
        yield server


@pytest.fixture(scope="module")
def by_ldap(service: LocalService, slapd: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A portal whose people are those of a directory."""
    folder, url = tmp_path_factory.mktemp("ldap"), f"http://127.0.0.1:{free_port()}"
    auth = slapd.settings(group_base_dn=GROUPS).model_dump(mode="json")
    with people_from(service, folder, url, auth) as at:
        yield at


def at_the_provider(page: Page, login: str) -> None:
    """Press our button, and do what the provider's pages ask for."""
    page.get_by_role("button", name="Single sign-on").click()
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_by_openid_connect_on_the_providers_own_page(browser: Browser, by_oidc: str, scripts: bool) -> None:

    def is_ours(message: ConsoleMessage) -> bool:
        """The provider's page asks for fonts that nobody can fetch here."""
        return message.type == "error" and message.location["url"].startswith(by_oidc)

    with new_page(browser, java_script_enabled=scripts) as page:
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if is_ours(message) else None)
        page.goto(f"{by_oidc}/applications/page?cluster=main")
        expect(page).to_have_url(re.compile("/sign-in"))
        at_the_provider(page, "alice")
        expect(page).to_have_url(f"{by_oidc}/applications/page?cluster=main")
        page.get_by_role("link", name="My sessions").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("My sessions")
        page.locator("details.menu summary").click()
        expect(page.locator(".who")).to_contain_text("Alice of Example")
        assert complaints == []


def test_a_form_survives_a_session_that_ends_while_it_is_filled_in(visitor: Callable[[], Page], by_oidc: str) -> None:
    page = visitor()
    page.goto(f"{by_oidc}/applications/page")
    at_the_provider(page, "alice")
    text = page.locator('[name="p.text"]')
    text.fill("typed for an hour & more")
    page.context.clear_cookies()
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.get_by_text("What you filled in is kept")).to_be_visible()
    at_the_provider(page, "alice")
    expect(text).to_have_value("typed for an hour & more")
    page.get_by_role("button", name="Launch", exact=True).click()
    page.wait_for_url(re.compile("#job-"))
    page.locator("[data-job]").first.get_by_role("button", name=re.compile("^Stop")).click()


def test_by_ldap(visitor: Callable[[], Page], by_ldap: str) -> None:
    page = visitor()
    page.goto(by_ldap)
    for password in ("wrong", "ünder the sea"):
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        if password == "wrong":
            expect(page.get_by_role("alert")).to_have_text("Name or password are wrong.")
    expect(page).to_have_url(f"{by_ldap}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("My sessions")
    expect(page.get_by_role("link", name="Administration")).to_have_count(0)
    page.locator("details.menu summary").click()
    expect(page.locator(".who")).to_contain_text("Alice of Example")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(f"{by_ldap}/sign-in")


def test_an_administrator_is_in_a_group_of_the_directory(visitor: Callable[[], Page], by_ldap: str) -> None:
    page = visitor()
    page.goto(f"{by_ldap}/admin")
    page.get_by_label("User name").fill("carol")
    page.get_by_label("Password").fill("secret")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{by_ldap}/admin")
    expect(page.get_by_role("link", name="Administration")).to_be_visible()
