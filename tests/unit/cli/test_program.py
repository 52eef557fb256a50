"""What becomes of an error: one line and a code, a traceback only for defects."""

import pytest

from bwvisu.cli.exits import NotSignedIn
from bwvisu.cli.program import tell
from bwvisu.errors import Fault, InvalidInput, OperatorError, TryAgain, UserError


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (UserError("no such thing"), 1, ["no such thing"]),
        (InvalidInput([Fault("/a", "is wrong"), Fault("", "is no object")]), 1, ["/a: is wrong", "/: is no object"]),
        (TryAgain("not now"), 3, ["not now"]),
        (OperatorError("one\ntwo"), 4, ["one", "two"]),
        (UserError("[bold]\x1b[2J"), 1, [r"[bold]\x1b[2J"]),
        (NotSignedIn("who?"), 6, ["who?"]),
        (
            ExceptionGroup("tasks", [OperatorError("same"), ExceptionGroup("more", [OperatorError("same")])]),
            4,
            ["same"],
        ),
    ],
)
def test_an_error_of_ours_is_told_in_lines(
    error: Exception, code: int, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(error) == code
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize("error", [KeyError("x"), ExceptionGroup("tasks", [OperatorError("a"), KeyError("x")])])
def test_a_defect_shows_where_it_is(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(error) == 70
    assert "KeyError" in capsys.readouterr().err
