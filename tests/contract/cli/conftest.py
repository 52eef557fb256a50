"""An API that says what the test has written down."""

from collections.abc import Iterator

import pytest

from bwvisu.cli.profiles import Connection
from bwvisu.cli.rest import Rest
from tests.support.small_api import SmallApi, small_api


@pytest.fixture
def api() -> Iterator[SmallApi]:
    with small_api() as running:
        yield running


@pytest.fixture
def rest(api: SmallApi) -> Iterator[Rest]:
    with Rest(Connection(api.url, "t")) as client:
        yield client
