"""Completion, put into a person's shell and used there."""

import subprocess
from pathlib import Path

from tests.support.program import PROGRAM, environment

ASK = """
COMP_WORDS=(bwvisu job su) COMP_CWORD=2
source ~/.bashrc
$(complete -p bwvisu | sed 's/.*-F \\([^ ]*\\).*/\\1/') bwvisu
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""What bash does where somebody presses Tab."""


def test_it_is_installed_into_bash_and_works_there(tmp_path: Path) -> None:
    surroundings = environment(HOME=str(tmp_path), PATH=f"{PROGRAM.parent}:/usr/bin:/bin")
    for script in ("bwvisu --install-completion; true", ASK):  # `true`: the program looks at its parent, a bash
        done = subprocess.run(["bash", "-c", script], env=surroundings, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["submit"]
