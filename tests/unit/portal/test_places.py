"""Where pages lead, and who is believed."""

import pytest

from bwvisu.portal.places import LONGEST_WAY, here, own_page, page_on_which


@pytest.mark.parametrize("where", ["/", "/sessions/x", "/applications/terminal?job=1", "/#job-1"])
def test_a_page_of_ours_can_be_gone_back_to(where: str) -> None:
    assert own_page(where) == where


@pytest.mark.parametrize(
    "where",
    [None, "", "https://evil.example", "//evil.example", "/\\evil.example", "/a\\b", "javascript:alert(1)", "/a\nb"],
)
def test_anything_else_leads_to_the_first_page(where: str | None) -> None:
    assert own_page(where) == "/"


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/sessions/01jd/connect", "/sessions/01jd"),
        ("/applications/terminal", "/applications/terminal"),
        ("/admin/sessions/01jd/stop", "/admin/sessions"),
        ("/admin/gateways/main/gw1", "/admin"),
        ("/sign-in/oidc", "/sign-in"),
        ("/look", "/"),
    ],
)
def test_what_was_sent_leads_back_to_the_page_on_which_it_stood(path: str, page: str) -> None:
    assert page_on_which(path) == page
    assert here("POST", path, "") == page


@pytest.mark.parametrize(
    ("path", "query", "page"),
    [
        ("/applications", "q=a%20b&category=", "/applications?q=a%20b&category="),
        ("/", "", "/"),
        ("/applications", "q=" + LONGEST_WAY * "a", "/applications"),
        ("/sign-in/callback", "code=secret&state=x", "/sign-in"),
    ],
)
def test_a_page_that_was_opened_leads_back_to_itself_with_what_was_asked_for(path: str, query: str, page: str) -> None:
    assert here("GET", path, query) == page
