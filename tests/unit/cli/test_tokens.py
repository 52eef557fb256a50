"""A token is shown once; what goes into the settings opens the API to it and to nothing else."""

import hashlib
import json
from datetime import UTC, datetime, timedelta

import yaml
from typer.testing import CliRunner

from bwvisu.api.auth import Tokens
from bwvisu.api.basic import Passwords
from bwvisu.cli.program import app
from bwvisu.domain.principal import Scope
from bwvisu.settings import BasicSettings, TokenSettings


def test_json_is_the_contracts() -> None:
    result = CliRunner().invoke(
        app,
        ["token", "create", "--name", "web", "--scope", "jobs:read", "--scope", "admin", "--user", "alice", "--json"],
    )
    made = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(made) == {"name", "token", "sha256", "scopes", "user"}
    assert (made["name"], made["scopes"], made["user"]) == ("web", ["jobs:read", "admin"], "alice")
    assert made["sha256"] == hashlib.sha256(made["token"].encode()).hexdigest()
    settings = TokenSettings.model_validate({key: value for key, value in made.items() if key != "token"})
    tokens = Tokens([settings], lambda: datetime.now(UTC))
    assert tokens.principal(made["token"]) == settings.principal()
    for other in ("", made["sha256"], made["token"] + "x", made["token"].upper(), "\ud800"):
        assert tokens.principal(other) is None


def test_a_password_opens_the_originals_api_to_its_name_and_no_other() -> None:
    result = CliRunner().invoke(
        app, ["token", "create-basic", "--name", "bwvisu-web", "--user", "alice", "--json"], catch_exceptions=False
    )
    made = json.loads(result.stdout)
    assert set(made) == {"name", "password", "password_sha256", "user"}
    settings = BasicSettings.model_validate({key: value for key, value in made.items() if key != "password"})
    other = BasicSettings(name="other", password_sha256=hashlib.sha256(b"other").hexdigest())
    passwords = Passwords([settings, other])
    assert passwords.principal("bwvisu-web", made["password"]) == settings.principal()
    assert not settings.principal().may(Scope.JOBS_CONNECT)
    wrong = [("other", made["password"]), ("bwvisu-web", "other"), ("bwvisu-web", ""), ("", made["password"])]
    assert [passwords.principal(*pair) for pair in [*wrong, ("bwvisu-web", made["password_sha256"])]] == [None] * 5


def test_what_is_printed_for_people_is_a_line_of_the_settings() -> None:
    printed = CliRunner().invoke(app, ["token", "create-basic", "--name", "bwvisu-web"]).stdout
    (line,) = yaml.safe_load(printed.splitlines()[-1])
    assert BasicSettings.model_validate(line).name == "bwvisu-web"


def test_no_two_are_alike() -> None:
    runs = [CliRunner().invoke(app, ["token", "create", "--name", "n", "--scope", "admin", "--json"]) for _ in range(2)]
    assert len({json.loads(run.stdout)["token"] for run in runs}) == 2


def test_a_bad_name_or_scope_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["token", "create-basic", "--name", "a:b"]).exit_code == 2
    for arguments in (["--name", "a b", "--scope", "admin"], ["--name", "a", "--scope", "all"], ["--name", "a"]):
        assert CliRunner().invoke(app, ["token", "create", *arguments]).exit_code == 2


def test_a_token_opens_until_its_day_and_a_line_for_people_reads_the_same() -> None:
    argv = ["token", "create", "--name", "web", "--scope", "jobs:read", "--days", "30"]
    made = json.loads(CliRunner().invoke(app, [*argv, "--json"]).stdout)
    settings = TokenSettings.model_validate({key: value for key, value in made.items() if key != "token"})
    assert settings.expires is not None
    assert timedelta(days=29) < settings.expires - datetime.now(UTC) <= timedelta(days=30)
    for moment, good in ((settings.expires - timedelta(seconds=1), True), (settings.expires, False)):
        assert bool(Tokens([settings], lambda at=moment: at).principal(made["token"])) is good  # type: ignore[misc]
    (line,) = yaml.safe_load(CliRunner().invoke(app, argv).stdout.splitlines()[-1])
    assert TokenSettings.model_validate(line).expires is not None
