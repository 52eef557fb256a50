"""No value becomes code: what a real bash sees of hostile text, and what is refused before any shell sees it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bwvisu.adapters.batch_script import LONGEST, Access, JobFacts, UnusableTemplate, problems, render
from bwvisu.domain.job import Scalar
from bwvisu.errors import InvalidInput
from keyhole.embedding import ClientConfig, prologue

JOB = JobFacts(id="01jd00000000000000000000aa", user="alice", application="test", cluster="main")
ACCESS = Access(password="p4ss'word")
HOSTILE = (
    "$(touch pwned)", "`touch pwned`", "'; touch pwned; '", '"; touch pwned; "', "a b  c", "*", "~", "-rf", "!!", "]]",
    "\\", "\\'", "${HOME}", "$HOME", "#", "a # b", "&& touch pwned", "| touch pwned", "> pwned", "EOF", "{%", "", "))",
    "{{ access.password }}", "ü€\U0001f600", "%s%n", "$bwvisu_value_0", '"$bwvisu_value_1"', "x" * 4096, "$'\\n'",
    "#SBATCH --array=1-9", "#KEYHOLE-REQUEST-PORTS 9",
)  # fmt: skip
ACCEPTED = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
TEXTS = st.one_of(st.sampled_from(HOSTILE), ACCEPTED, st.text(alphabet="'\"\\$`(){}[]#!&|;<>*?~ -=ax", max_size=30))
EVERYWHERE = """#!/bin/bash
#SBATCH --time=5
{{! a comment of the template }}
#KEYHOLE-REQUEST-PORTS 1
set -euo pipefail
# in a comment: {{ text }}
array=(a {{ text }} b)
if [[ {{ text }} == {{ text }} ]]; then same=yes; fi
export BARE={{ text }} INNER="$(printf '%s.' {{ text }})" ELEMENT="${array[1]}" COUNT="${#array[@]}" SAME="$same"
export JOINED={{ "--name=" ~ text }} OTHER={{ other }}
document=$(cat <<EOF
<{{ text }}>
EOF
)
export DOCUMENT="$document"
: "{{ text }}" '{{ text }}'
exec PYTHON -c 'import json, os; print(json.dumps(dict(os.environ)))'
""".replace("PYTHON", sys.executable)


def stub(ports: int) -> str:
    return f"export KEYHOLE_PORT0=4000{ports}\n" if ports else ""


def script(template: str, parameters: Mapping[str, Scalar], keyhole: Callable[[int], str] = stub) -> str:
    return render(template, parameters, JOB, ACCESS, keyhole)


def run(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    bash = [shutil.which("bash") or "/bin/bash", "-s"]
    return subprocess.run(
        bash, input=text, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, other=TEXTS)
def test_the_job_sees_exactly_the_text_wherever_the_template_puts_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, other: str
) -> None:
    folder = tmp_path_factory.mktemp("job")
    done = run(script(EVERYWHERE, {"text": text, "other": other}), folder)
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    assert seen["BARE"] == seen["ELEMENT"] == text
    assert seen["INNER"] == f"{text}."
    assert seen["JOINED"] == f"--name={text}"
    assert seen["OTHER"] == other
    assert seen["DOCUMENT"] == f'<"{text}">'
    assert (seen["COUNT"], seen["SAME"], seen["KEYHOLE_PORT0"]) == ("3", "yes", "40001")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("shell", ["#!/bin/sh", "#!/usr/bin/env bash", "#!/bin/bash -l"])
def test_typed_values_stand_bare(shell: str) -> None:
    template = f"{shell}\necho {{{{ count }}}} {{{{ share }}}} {{{{ flag }}}} {{{{ count * 2 }}}}\n"
    text = script(template, {"count": -3, "share": 1e-07, "flag": True})
    assert text == f"{shell}\necho -3 1e-07 true -6\n"


def test_a_value_is_assigned_once_before_the_first_command() -> None:
    template = "#!/bin/bash\n#SBATCH -p {{ queue }}\n\n# Hi\necho {{ name }}\necho {{ name }} {{ queue }}\n"
    assert script(template, {"queue": "gpu", "name": "a b"}).split("\n") == [
        "#!/bin/bash", "#SBATCH -p gpu", "", "# Hi", "bwvisu_value_0=gpu", "bwvisu_value_1='a b'",
        'echo "$bwvisu_value_1"', 'echo "$bwvisu_value_1" "$bwvisu_value_0"', "",
    ]  # fmt: skip


def test_conditions_and_loops_leave_no_blank_lines() -> None:
    template = "#!/bin/sh\n{% if flag %}\n{% for i in range(2) %}\necho {{ i }}\n{% endfor %}\n{% endif %}\n"
    assert script(template, {"flag": True}) == "#!/bin/sh\necho 0\necho 1\n"


def test_the_password_is_known_to_the_shell_but_not_to_its_children(tmp_path: Path) -> None:
    template = '#!/bin/bash\n[[ {{ access.password }} == "p4ss\'word" ]] && echo right\nenv\n'
    done = run(script(template, {}), tmp_path)
    assert done.stdout.startswith("right\n")
    assert "p4ss" not in done.stdout
    assert "p4ss" not in repr(ACCESS)


def test_the_real_prologue_stands_before_the_first_command() -> None:
    config = ClientConfig("id", 1, "key", ("http://127.0.0.1:1",), 2)
    text = script("#!/bin/bash\n#KEYHOLE-REQUEST-PORTS 2\ntrue\n", {}, lambda _: prologue(config))
    assert prologue(config).rstrip("\n") in text
    assert text.index(prologue(config).rstrip("\n")) < text.index("\n#KEYHOLE-REQUEST-PORTS 2\ntrue\n")
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "value",
    ["a b", "a\tb", "a,b", "a=b", "-x", "--array=1", "a#b", "'a'", '"a"', "a\\", "", "a;b", "ü", "x" * 256, "$HOME"],
)
def test_text_cannot_leave_its_directive(value: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        script("#!/bin/bash\n#SBATCH --partition={{ queue }}\n", {"queue": value, "other": 1})
    (fault,) = caught.value.faults
    assert fault.pointer == "/parameters/queue"


@pytest.mark.parametrize("value", ["gpu", "gpu:a100", "node-1.cluster", "/scratch/x", "a@b.c", "1-00:30:00"])
def test_ordinary_text_stands_in_a_directive(value: str) -> None:
    assert script("#!/bin/sh\n#SBATCH -p x{{ queue }}\n", {"queue": value}) == f"#!/bin/sh\n#SBATCH -p x{value}\n"


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b", "a\ud800"])
def test_what_no_parameter_may_hold_is_refused_here_too(value: str) -> None:
    with pytest.raises(InvalidInput):
        script("#!/bin/bash\necho {{ text }}\n", {"text": value})


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("echo {{ missing }}", "'missing' is undefined"),
        ("echo {{ job.missing }}", "no attribute 'missing'"),
        ("echo {{ [1] }}", "gives list"),
        ("echo {{ 1 // 0 }}", "ZeroDivisionError"),
        ("echo {{ ''.__class__ }}", "unsafe"),
        ("echo {{ (1).__class__.__mro__ }}", "unsafe"),
        ("{% for i in range(1000000) %}x{% endfor %}", "OverflowError"),
        ("{% for i in range(2000) %}{% for j in range(2000) %}x{% endfor %}{% endfor %}", "more than"),
        ("#KEYHOLE-REQUEST-PORTS 1\n#KEYHOLE-REQUEST-PORTS 1", "at most once"),
        ("#KEYHOLE-REQUEST-PORTS {{ text }}", "at most once"),
        ("#KEYHOLE-REQUEST-PORTS 0", "at most once"),
        ("#SBATCH --comment={{ access.password }}", "squeue would show"),
        ("#SBATCH --array=1-{{ count }}", "exactly one Slurm job"),
    ],
)
def test_a_template_that_cannot_work_is_the_administrators_to_mend(body: str, complaint: str) -> None:
    with pytest.raises(UnusableTemplate, match=complaint):
        script(f"#!/bin/bash\n{body}\n", {"text": "x", "count": 2})


def test_a_script_has_a_shell_and_an_end() -> None:
    with pytest.raises(UnusableTemplate, match="begin with #!"):
        script("#!/usr/bin/python3\n", {})
    with pytest.raises(UnusableTemplate, match="longer than"):
        script("#!/bin/sh\necho {{ text }}\n", {"text": "ü" * (LONGEST // 2)})


@pytest.mark.parametrize(
    ("template", "ports", "complaint"),
    [
        ("#!/bin/sh\necho {{ minute }}\n", 0, "uses minute, which is no parameter; did you mean 'minutes'?"),
        ("#!/bin/sh\n{% if %}\n", 0, "line 2: "),
        ("#!/bin/sh\n\n{% macro m() %}{% endmacro %}\n", 0, "line 3: this Jinja2 statement is not available"),
        ("#!/bin/sh\n{% set x %}{% endset %}\n", 0, "not available"),
        ("#!/bin/sh\n{% include 'x' %}\n", 0, "not available"),
        ("#!/usr/bin/perl\n", 0, "begins with #! and a shell"),
        ("#!/bin/sh\r\n", 0, "line ends"),
        ("#!/bin/sh\n#SBATCH -o x\n", 0, "--output"),
        ("#!/bin/sh\n", 2, "declares 2 ports, but job.sh.j2 requests 0"),
        ("#!/bin/sh\n#KEYHOLE-REQUEST-PORTS 1\n", 2, "declares 2 ports, but job.sh.j2 requests 1"),
        ("#!/bin/sh\n#KEYHOLE-REQUEST-PORTS\n", 0, "at most once"),
    ],
)
def test_problems_are_seen_before_any_job(template: str, ports: int, complaint: str) -> None:
    found = problems(template, ["minutes"], ports)
    assert any(complaint in problem for problem in found), found


def test_an_original_template_needs_no_change() -> None:
    template = (
        "#!/bin/bash\n#SBATCH --time={{expected_runtime_in_minutes}}\n#SBATCH --nodes={{ number_of_nodes }}\n"
        '#KEYHOLE-REQUEST-PORTS 1\nsingularity run "$HOME/{{ image_name }}" ${#HOME}\n'
    )
    names = ["expected_runtime_in_minutes", "number_of_nodes", "image_name"]
    assert problems(template, names, 1) == []
    text = script(template, {"expected_runtime_in_minutes": 15, "number_of_nodes": 1, "image_name": "ubuntu_nemo.simg"})
    assert "#SBATCH --time=15\n#SBATCH --nodes=1\n" in text
