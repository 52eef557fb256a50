"""Into a job by the browser, without a secret in an argument, an address or a file of others."""

import stat
from pathlib import Path

import pytest

from bwvisu.cli.entry import keep_briefly, page
from bwvisu.errors import OperatorError
from tests.support.waiting import until

PLAIN = {"url": "http://gw:50001/lab", "password": "pw", "native": None, "form": None}
HOSTILE = '"><script>alert(1)</script>'


def test_an_address_without_a_secret_needs_no_page() -> None:
    assert page(PLAIN) is None


def test_a_form_posts_itself_and_holds_nothing_else() -> None:
    form = {"action": f"http://gw/login?{HOSTILE}", "fields": {"password": "pw", HOSTILE: HOSTILE}}
    made = page({**PLAIN, "form": form})
    assert made is not None
    assert '<input type="hidden" name="password" value="pw">' in made
    assert HOSTILE not in made
    assert made.count("<script>") == 1


def test_a_link_with_a_fragment_follows_itself() -> None:
    made = page({**PLAIN, "url": f"http://gw/#password=pw{HOSTILE}"})
    assert made is not None
    assert 'href="http://gw/#password=pw&quot;' in made
    assert made.count("<script>") == 1


@pytest.mark.parametrize("url", ["javascript:alert(1)#x", "file:///etc/passwd#x", "#x"])
def test_what_is_no_page_is_not_opened(url: str) -> None:
    for access in ({**PLAIN, "url": url}, {**PLAIN, "form": {"action": url, "fields": {}}}):
        with pytest.raises(OperatorError):
            page(access)


def test_the_private_file_is_ones_own_and_goes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = keep_briefly("words", seconds=0.5)
    assert path.parent == tmp_path
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("words", 0o600)
    until(lambda: not path.exists(), 10, "the file is removed")
