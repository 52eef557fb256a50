"""Arguments come through any shell as they are."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwvisu.adapters.shell import posix_script, quote

ARGUMENT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@pytest.mark.parametrize("shell", ["/bin/dash", "/bin/bash"])
@given(argv=st.lists(ARGUMENT, max_size=5))
@settings(max_examples=40, deadline=None)
def test_a_shell_reads_back_exactly_the_arguments(shell: str, argv: list[str]) -> None:
    text = quote(["printf", "%s\\0", "", *argv])
    done = subprocess.run([shell, "-c", text], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == ["", *argv]


def test_a_script_gets_its_arguments_by_number() -> None:
    done = subprocess.run(posix_script('echo "$2$1"', "a b", "$x"), capture_output=True, check=True)
    assert done.stdout == b"$xa b\n"


@pytest.mark.parametrize("argv", [[], ["a\0b"]])
def test_what_no_shell_can_read_is_refused(argv: list[str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        quote(argv)
