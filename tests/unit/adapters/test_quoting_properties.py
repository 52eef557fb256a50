"""Every value that a parameter may have, through a real shell: dozens of them in one script, none of them code."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from bwvisu.adapters.batch_script import Access, JobFacts, render
from bwvisu.domain.application import Application
from bwvisu.domain.job import Scalar
from bwvisu.domain.original import VALUE
from bwvisu.errors import InvalidInput
from tests.support.effort import effort

JOB = JobFacts(id="01jd00000000000000000000aa", user="alice", application="test", cluster="main")
TYPES = ("string", "path", "choice", "number", "integer", "boolean")
PIECES = (
    "'",
    '"',
    "\\",
    "$(touch pwned)",
    "`touch pwned`",
    "${HOME}",
    "\n",
    "\t",
    "\u2028",
    "\x7f",
    "EOF",
    "%s",
    "!!",
    "~",
    "-n",
)
pieces = st.sampled_from(PIECES) | st.text(max_size=12) | st.text("'\"\\$`(){}[]#!&|;<>*?~ -=ax", max_size=12)
texts = st.lists(pieces, max_size=5).map("".join)
numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
wishes = st.lists(st.tuples(st.sampled_from(TYPES), texts | numbers | st.booleans()), min_size=1, max_size=40)
SHOWN = "import os, json; print(json.dumps({k: v for k, v in os.environ.items() if k[0] == 'V'}))"
SHELLS = ("/bin/sh", "/bin/bash")


def accepted(kind: str, value: object) -> Scalar | None:
    """The value as the schema lets it through; None: refused."""
    declared: dict[str, object] = {"type": kind} | ({"choices": [value]} if kind == "choice" else {})
    try:
        application = Application.model_validate_json(json.dumps({"title": "T", "parameters": {"v": declared}}))
        return application.check({"v": value})["v"]
    except (ValidationError, InvalidInput):
        return None


def run(shell: str, script: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    return subprocess.run(
        [shell, "-s"], input=script.encode(), cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )


def script(shell: str, values: Sequence[Scalar]) -> str:
    """Each value bare, within double quotes' reach, and in a here-document, handed to one program at the end."""
    lines = [f"#!{shell}", "set -eu"]
    for n in range(len(values)):
        lines += [
            f"V{n}={{{{ v{n} }}}}",
            f'W{n}="$(printf %s {{{{ v{n} }}}}.)"',
            f'[ "$V{n}." = "$W{n}" ]',
            f"export V{n}",
        ]
    lines += ["cat >/dev/null <<EOF", *(f"{{{{ v{n} }}}}" for n in range(len(values))), "EOF"]
    template = "\n".join([*lines, f'exec {sys.executable} -c "{SHOWN}"', ""])
    return render(template, {f"v{n}": value for n, value in enumerate(values)}, JOB, Access("secret"), lambda _: "")


def as_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


@pytest.mark.parametrize("shell", SHELLS)
@effort(0.25)
@given(wanted=wishes)
def test_a_shell_gives_back_every_value_that_the_schema_lets_through(
    tmp_path_factory: pytest.TempPathFactory, shell: str, wanted: list[tuple[str, object]]
) -> None:
    folder = tmp_path_factory.mktemp("job")
    values = [value for kind, wish in wanted if (value := accepted(kind, wish)) is not None]
    done = run(shell, script(shell, values), folder)
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == {f"V{n}": as_text(value) for n, value in enumerate(values)}
    assert list(folder.iterdir()) == [], "something was executed"


ORIGINAL_HABITS = ("{{ v }}", '"{{v}}"', '"$HOME/{{ v }}"', "--image={{ v }}", '"--bind=$HOME/{{ v }}:/data"')


@pytest.mark.parametrize("shell", SHELLS)
@effort(0.1)
@given(value=st.from_regex(VALUE, fullmatch=True))
def test_values_of_the_originals_alphabet_may_stand_as_its_templates_have_them(
    tmp_path_factory: pytest.TempPathFactory, shell: str, value: str
) -> None:
    """Where other texts would be split: no character of it ends a word or is a pattern."""
    folder = tmp_path_factory.mktemp("job")
    template = f"#!{shell}\nprintf '<%s>' {' '.join(ORIGINAL_HABITS)}\n"
    done = run(shell, render(template, {"v": value}, JOB, Access("secret"), lambda _: ""), folder)
    home = f"{folder}/{value}"
    seen = [value, value, home, f"--image={value}", f"--bind={home}:/data"]
    assert done.stdout.decode() == "".join(f"<{text}>" for text in seen)
