"""Links and people that are let in."""

from datetime import UTC, datetime, timedelta

from bwvisu.domain.access import access_password, view_password
from bwvisu.domain.share import TOKEN_BYTES, Share, by_token, by_user, digest_of, job_of, new_token

NOW = datetime(2100, 1, 1, tzinfo=UTC)
JOB = "01jd0000000000000000abcdef"


def share(name: str, **changes: object) -> Share:
    return Share.model_validate({"id": name, "at": NOW, "expires_at": NOW + timedelta(hours=1), **changes})


def test_a_token_names_its_job_and_is_stored_nowhere() -> None:
    token = new_token(JOB, bytes(range(TOKEN_BYTES)))
    assert job_of(token) == JOB
    link = share("1", token_sha256=digest_of(token))
    assert token not in link.model_dump_json()
    assert by_token([share("0"), link], token) is link
    assert by_token([share("0")], token) is None


def test_what_is_no_token_names_nothing() -> None:
    token = new_token(JOB, bytes(TOKEN_BYTES))
    for wrong in ("", JOB, token[:-1], token + "a", token.upper(), f"\n{token}", token.replace("-", "_")):
        assert job_of(wrong) is None


def test_of_several_shares_of_a_person_the_one_counts_that_allows_most() -> None:
    sees, acts = share("1", user="bob", view_only=True), share("2", user="bob")
    assert by_user([sees, acts], "bob") is acts
    assert by_user([sees], "bob") is sees
    assert by_user([share("4")], "") is None


def test_the_two_passwords_are_not_each_other() -> None:
    assert access_password(b"secret") != view_password(b"secret")
    assert len(view_password(b"secret")) == len(access_password(b"secret"))
