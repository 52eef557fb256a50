"""What the API's documents mean for a page."""

from typing import Any

import pytest

from bwvisu.portal.documents import Access

SECRET = "s3/cr+et ü"
QUOTED = "s3%2Fcr%2Bet%20%C3%BC"
PAGE = "https://gw.example:40001/lab"


@pytest.mark.parametrize(
    ("way", "typed"),
    [
        ({}, True),
        ({"url": f"{PAGE}#password={QUOTED}&x=1"}, False),
        ({"url": f"{PAGE}?token={QUOTED}"}, False),
        ({"url": f"{PAGE}#resize=remote"}, True),
        ({"native": f"viewer gw.example:40001 {SECRET}"}, False),
        ({"native": "viewer gw.example:40001"}, True),
        ({"native": "viewer gw.example:40001", "url": f"{PAGE}#{QUOTED}"}, True),  # the command is what opens it
        ({"form": {"action": PAGE, "fields": {"user": "alice", "password": SECRET}}}, False),
        ({"form": {"action": PAGE, "fields": {"user": "alice"}}}, True),
        ({"form": {"action": f"{PAGE}?token={QUOTED}", "fields": {}}}, False),
    ],
)
def test_a_password_is_typed_where_nothing_that_opens_the_application_carries_it(
    way: dict[str, Any], typed: bool
) -> None:
    access = Access.model_validate({"url": PAGE, "password": SECRET, **way})
    assert access.is_typed is typed
