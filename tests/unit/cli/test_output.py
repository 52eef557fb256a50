"""What others wrote reaches a terminal as text, never as orders."""

import json

import pytest

from bwvisu.cli.output import plain, print_json

HOSTILE = "a\x1b[2J\x9b31m\r\nb\u202ec\u2028d\ud800e\x07\tf\x00"


def test_escapes_are_shown_not_sent() -> None:
    assert plain(HOSTILE) == r"a\x1b[2J\x9b31m b\u202ec\u2028d\ud800e\x07 f\x00"
    assert plain("Müller – 端末 👩‍🔬") == "Müller – 端末 👩‍🔬"


@pytest.mark.parametrize("lines", [False, True])
def test_json_is_the_same_value_without_what_a_terminal_would_obey(
    capsys: pytest.CaptureFixture[str], *, lines: bool
) -> None:
    print_json({"note": HOSTILE, "name": "Müller"}, lines=lines)
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"note": HOSTILE, "name": "Müller"}
    assert all(plain(line) == line for line in printed.splitlines())
    assert "Müller" in printed
    assert (printed.count("\n") == 1) is lines
