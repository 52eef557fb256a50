"""Answers become errors sorted by who must act; what only needs time is tried again."""

import subprocess
from pathlib import Path

import httpx2
import pytest

from bwvisu.cli.exits import NotSignedIn, exit_code
from bwvisu.cli.profiles import Connection
from bwvisu.cli.rest import REFUSALS, Rest, persistently
from bwvisu.errors import BwvisuError, Conflict, InvalidInput, NotFound, OperatorError, TryAgain, UserError
from bwvisu.rest import NotAsRead, as_error
from tests.support.small_api import SmallApi, problem, small_api


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, UserError, 1),
        (401, NotSignedIn, 6),
        (403, UserError, 1),
        (404, NotFound, 1),
        (409, Conflict, 1),
        (412, NotAsRead, 1),
        (429, TryAgain, 3),
        (500, OperatorError, 4),
        (501, UserError, 1),
        (503, TryAgain, 3),
    ],
)
def test_a_problem_is_the_error_that_caused_it(status: int, kind: type[BwvisuError], code: int) -> None:
    answer = httpx2.Response(
        status,
        json={"type": "/problems/x", "detail": "words"},
        headers={"Content-Type": "application/problem+json", "Retry-After": "7"},
    )
    error = as_error(answer, REFUSALS)
    assert (type(error), str(error), exit_code(error)) == (kind, "words", code)
    if isinstance(error, TryAgain):
        assert error.after == 7


def test_a_proxys_error_page_is_an_error_too() -> None:
    assert str(as_error(httpx2.Response(502, text="<html>"))) == "502 Bad Gateway"


@pytest.mark.parametrize("errors", [[{}], ["x"], [{"pointer": None}], []])
def test_bad_input_without_its_pointers_is_bad_input(errors: list[object]) -> None:
    headers = {"Content-Type": "application/problem+json"}
    assert isinstance(as_error(httpx2.Response(422, json={"errors": errors}, headers=headers)), InvalidInput)


def test_what_needs_time_is_tried_again_when_the_api_asks_for_it(api: SmallApi, rest: Rest) -> None:
    api.says(
        "POST /jobs", problem(429, "rate-limited", "slowly", after=3), problem(503, "unavailable", "soon", after=2), {}
    )
    pauses: list[float] = []
    assert persistently(lambda: rest.call("POST", "/jobs", json={}), wait=pauses.append, now=lambda: sum(pauses)) == {}
    assert pauses == [3, 2]


def test_patience_ends_before_the_next_try_would_begin() -> None:
    pauses: list[float] = []

    def call() -> None:
        raise TryAgain("not now", after=20)

    with pytest.raises(TryAgain):
        persistently(call, patience=30, wait=pauses.append, now=lambda: sum(pauses))
    assert pauses == [20]


def test_what_is_refused_is_not_repeated(api: SmallApi, rest: Rest) -> None:
    with pytest.raises(NotFound):
        persistently(lambda: rest.call("GET", "/jobs/x"))
    assert len(api.asked) == 1


@pytest.mark.parametrize("url", ["ftp://x", "nonsense", "http://a:b"])
def test_what_is_no_address_is_said_to_be_none(url: str) -> None:
    with pytest.raises(UserError, match="address"), Rest(Connection(url, "t")) as rest:
        rest.call("GET", "/jobs")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run([*new, *subject, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def test_an_authority_of_ones_own_is_trusted_and_nobody_else(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    with small_api(ssl_certfile=cert, ssl_keyfile=key) as api:
        api.says("GET /jobs", {"items": []})
        with Rest(Connection(api.url, "t", cert)) as rest:
            assert rest.call("GET", "/jobs") == {"items": []}
        with Rest(Connection(api.url, "t")) as rest, pytest.raises(OperatorError, match="is not trusted"):
            rest.call("GET", "/jobs")
    (tmp_path / "empty").write_text("")
    for bad in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(OperatorError, match="holds no certificate"):
            Rest(Connection("https://x", "t", bad))
