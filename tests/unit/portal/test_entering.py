"""Where the page that hands a visitor over may post to."""

import pytest

from bwvisu.portal.pages.entering import form_origin


@pytest.mark.parametrize(
    ("action", "named"),
    [
        ("https://gw.example.org:50000/in?a=b#c", "https://gw.example.org:50000"),
        ("http://192.0.2.1:50000/", "http://192.0.2.1:50000"),
        ("http://[2001:db8::1]:50000/in", "http:"),
        ("https://[::1]/", "https:"),
    ],
)
def test_a_policy_names_the_host_or_where_it_is_an_ipv6_literal_the_scheme(action: str, named: str) -> None:
    assert form_origin(action) == named
