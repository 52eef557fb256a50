"""Which address, which token, whose: one order of precedence, and no token where it does not belong."""

from pathlib import Path

import pytest

from bwvisu.cli.exits import NotSignedIn
from bwvisu.cli.profiles import Connection, connection, read
from bwvisu.errors import UserError

FILE = """\
default = "main"

[profiles.main]
url = "https://main.example.org/"
token_file = "main.token"
user = "alice"
ca_file = "/etc/ca.pem"

[profiles.test]
url = "https://test.example.org"
token = "test-token"
"""


@pytest.fixture
def there(home: Path) -> Path:
    write(home / "config.toml", FILE)
    write(home / "main.token", "main-token\n")
    return home


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_file_names_the_default(there: Path) -> None:
    assert connection() == Connection("https://main.example.org", "main-token", Path("/etc/ca.pem"), "alice")


@pytest.mark.parametrize(
    ("profile", "environment", "url", "token"),
    [
        ("test", {}, "https://test.example.org", "test-token"),
        (None, {"PROFILE": "test"}, "https://test.example.org", "test-token"),
        ("main", {"PROFILE": "test"}, "https://main.example.org", "main-token"),
        (None, {"URL": "http://env", "TOKEN": "env-token"}, "http://env", "env-token"),
        ("test", {"URL": "http://env", "TOKEN": "env-token"}, "https://test.example.org", "test-token"),
        (None, {"PROFILE": "test", "URL": "http://env", "TOKEN": "env-token"}, "http://env", "env-token"),
        (None, {"TOKEN": "env-token"}, "https://main.example.org", "env-token"),
        (None, {"URL": "https://main.example.org"}, "https://main.example.org", "main-token"),
    ],
)
def test_options_beat_the_environment_and_that_beats_the_default(
    there: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: str | None,
    environment: dict[str, str],
    url: str,
    token: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(f"BWVISU_{name}", value)
    found = connection(profile=profile)
    assert (found.url, found.token) == (url, token)


def test_an_option_beats_everything(there: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWVISU_URL", "http://env")
    monkeypatch.setenv("BWVISU_TOKEN", "env-token")
    given = write(there / "given", "given-token")
    found = connection(profile="test", url="http://given/", token_file=given)
    assert (found.url, found.token) == ("http://given", "given-token")


def test_a_profiles_token_goes_to_no_other_address(there: Path) -> None:
    with pytest.raises(NotSignedIn, match="no token for http://elsewhere"):
        connection(url="http://elsewhere")
    with pytest.raises(NotSignedIn):
        connection(url="http://elsewhere", profile="test")


def test_without_any_profile_the_old_file_serves(home: Path) -> None:
    with pytest.raises(NotSignedIn, match="no token for http://127"):
        connection()
    write(home / "token", "kept-token\n")
    assert connection() == Connection("http://127.0.0.1:4242", "kept-token")


@pytest.mark.parametrize("name", ["config.toml", "main.token"])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_token_that_others_may_read_is_refused_with_the_line_that_mends_it(there: Path, name: str, mode: int) -> None:
    (there / name).chmod(mode)
    with pytest.raises(UserError, match=f"chmod go= {there / name}$"):
        connection()


def test_a_file_without_tokens_may_be_everybodys(home: Path) -> None:
    path = write(home / "config.toml", '[profiles.a]\nurl = "http://a"\n', 0o644)
    assert read(path).profiles["a"].url == "http://a"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[profiles.a]\nurll = 'x'\n", "profiles.a.urll: unknown key; did you mean 'url'?"),
        ("defualt = 'x'\n", "defualt: unknown key; did you mean 'default'?"),
        ("[profiles.a]\ntoken = 7\n", "profiles.a.token: Input should be a valid string"),
        ("[profiles", "cannot be read"),
    ],
)
def test_a_wrong_file_says_where(home: Path, text: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read(write(home / "config.toml", text))
    assert words in str(caught.value)
    assert str(home) in str(caught.value)


def test_a_profile_that_is_not_there_names_those_that_are(there: Path) -> None:
    with pytest.raises(UserError, match="no profile 'mian'; there are: main, test"):
        connection(profile="mian")


@pytest.mark.parametrize("text", ["", "a b", "ä", "a\nb"])
def test_what_is_no_token_is_not_sent(home: Path, text: str) -> None:
    with pytest.raises(NotSignedIn):
        connection(token_file=write(home / "token", text))


def test_no_token_is_shown(there: Path) -> None:
    assert "test-token" not in f"{connection(profile='test')!r} {read(there / 'config.toml')!r}"
