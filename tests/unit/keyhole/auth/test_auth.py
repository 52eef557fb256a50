"""Who is believed: exactly the holder of the attempt's key, now; and nothing is told to anybody else."""

import hashlib
import hmac
from dataclasses import replace
from statistics import median
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole.auth import ALLOWED_SKEW, Accepted, Call, Credentials, Denied, Skewed, attempt_key, judge, signature

SECRET = b"s" * 32
NOW = 1_800_000_000.0
CALL = Call("POST", "/keyhole/v1/jobs/j1/forwards", b'{"attempt": 2}')


def credentials(at: float = NOW, key: str = attempt_key(SECRET, 2)) -> Credentials:
    return Credentials(f"{at:.0f}", "nonce-01", signature(key, CALL, f"{at:.0f}", "nonce-01"))


def test_the_signature_is_what_the_interface_says() -> None:
    """Computed here by hand: a change breaks every client that is under way."""
    key = hmac.new(SECRET, b"bwvisu keyhole attempt 2", "sha256").hexdigest()
    text = f"POST\n/keyhole/v1/jobs/j1/forwards\n1800000000\nnonce-01\n{hashlib.sha256(CALL.body).hexdigest()}"
    assert credentials().signature == hmac.new(key.encode(), text.encode(), "sha256").hexdigest()


@pytest.mark.parametrize("skew", [0, ALLOWED_SKEW, -ALLOWED_SKEW])
def test_the_attempts_own_key_is_accepted(skew: float) -> None:
    assert judge(SECRET, 2, CALL, credentials(NOW + skew), NOW) == Accepted(2)


@pytest.mark.parametrize("skew", [ALLOWED_SKEW + 1, -ALLOWED_SKEW - 1, 10**9])
def test_a_right_signature_at_a_wrong_time_is_told_the_time(skew: float) -> None:
    assert judge(SECRET, 2, CALL, credentials(NOW + skew), NOW) == Skewed(int(NOW))


@pytest.mark.parametrize("skew", [0, ALLOWED_SKEW + 1])
@pytest.mark.parametrize(
    ("secret", "attempt", "call"),
    [
        (None, 2, CALL),
        (b"t" * 32, 2, CALL),
        (SECRET, 1, CALL),
        (SECRET, 2, replace(CALL, method="GET")),
        (SECRET, 2, replace(CALL, path="/keyhole/v1/jobs/j1/reports")),
        (SECRET, 2, replace(CALL, body=b'{"attempt": 3}')),
    ],
)
def test_anything_else_is_denied_whatever_its_time(secret: bytes | None, attempt: int, call: Call, skew: float) -> None:
    assert judge(secret, attempt, call, credentials(NOW + skew), NOW) == Denied()


def test_an_unknown_job_is_denied_even_to_who_knows_the_stand_in() -> None:
    assert judge(None, 2, CALL, credentials(key=attempt_key(bytes(32), 2)), NOW) == Denied()


@given(timestamp=st.text(), nonce=st.text(), given_signature=st.text())
def test_headers_of_any_form_are_denied(timestamp: str, nonce: str, given_signature: str) -> None:
    assert judge(SECRET, 2, CALL, Credentials(timestamp, nonce, given_signature), NOW) == Denied()


def test_secrets_do_not_show_in_texts() -> None:
    assert credentials().signature not in repr(credentials())


def test_an_unknown_job_takes_as_long_as_a_wrong_signature() -> None:
    """Interleaved, medians of many: a factor of two would be a leak, not noise."""
    wrong = replace(credentials(), signature="0" * 64)
    spent: dict[bytes | None, list[float]] = {SECRET: [], None: []}
    for _ in range(2000):
        for secret, times in spent.items():
            begin = perf_counter()
            judge(secret, 2, CALL, wrong, NOW)
            times.append(perf_counter() - begin)
    assert 0.5 < median(spent[None]) / median(spent[SECRET]) < 2
