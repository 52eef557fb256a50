"""Where pages lead, and who is believed."""

import pytest

from bwvisu.portal.web import own_page


@pytest.mark.parametrize("where", ["/", "/sessions/x", "/applications/terminal?job=1", "/#job-1"])
def test_a_page_of_ours_can_be_gone_back_to(where: str) -> None:
    assert own_page(where) == where


@pytest.mark.parametrize(
    "where",
    [None, "", "https://evil.example", "//evil.example", "/\\evil.example", "/a\\b", "javascript:alert(1)", "/a\nb"],
)
def test_anything_else_leads_to_the_first_page(where: str | None) -> None:
    assert own_page(where) == "/"
