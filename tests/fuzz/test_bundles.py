"""Whatever lies in a bundle's folder: it loads, or says in a named problem why not; soon, and nothing of it is run."""

import json
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bwvisu.adapters.bundles import BrokenBundle, Bundle, Catalogue, read_bundle
from bwvisu.errors import InvalidInput, OperatorError
from tests.fuzz.mutation import mutated
from tests.support.effort import effort

SHIPPED = Path(__file__).parents[2] / "job_templates"
ICON = b"<svg/>"
APP = b"title: T\nparameters:\n  n: {type: string, default: x, pattern: '[a-z]*'}\n  m: {type: number, default: 1}\n"
TEMPLATE = b"#!/bin/bash\n#SBATCH --time={{ m }}\necho {{ n }}\n"
YAML = tuple((folder / "app.yaml").read_bytes() for folder in SHIPPED.iterdir())
TEMPLATES = tuple((folder / "job.sh.j2").read_bytes() for folder in SHIPPED.iterdir())
TAGS = ("int", "float", "bool", "null", "timestamp", "binary", "omap", "pairs", "set", "map", "seq", "merge", "value")
YAML_WORDS = (
    *(f"!!{tag} ".encode() for tag in TAGS),
    *(b"!!python/object/apply:os.system [touch x]", b"&a ", b"*a", b"<<: ", b"? ", b"---\n", b"%YAML 9\n", b"{", b"- "),
    *(b'"\\UFFFFFFFF"', b'"\\ud800"', b".inf", b"1" + b":1" * 300 + b".5", b"2001-99-99", b"0x", b"a{99999999999}"),
    *(b"default: ", b"minimum: ", b"type: ", b"choice", b"pattern: ", b"icon: ../x.svg", b"{port}", b"{oops}"),
)
TEMPLATE_WORDS = (
    *(b"{{ n | nosuch }}", b"{{ n is nosuch }}", b"{% for i in n %}", b"{% endfor %}", b"{% if n %}", b"{% endif %}"),
    *(
        b"{{ 9**9**9 }}",
        b"{{ 'x' * 10**9 }}",
        b"{{ n.__class__.__mro__ }}",
        b"{% include '/etc/passwd' %}",
        b"{{ 1e999 }}",
    ),
    *(
        b"{{ cycler }}",
        b"{% import 'os' as o %}",
        b"{% macro m() %}",
        b"{{",
        b"}}",
        b"{%",
        b"{{!",
        b"| safe",
        b"(",
        b"n",
    ),
    *(b"\n#SBATCH --array=1", b"\n#KEYHOLE-REQUEST-PORTS 1", b"#KEYHOLE-REQUEST-PORTS {{ m }}", b"+ n" * 400),
)
BOMBS = {
    "anchors": b"a: &a [x,x]\n" + b"".join(b"b%d: &b%d [*a,*a]\n" % (n, n) for n in range(2000)),
    "depth": b"[" * 60_000,
    "many deep lines": b"".join(b"k%d: %b1%b\n" % (n, b"[" * 60, b"]" * 60) for n in range(480)),
    "sexagesimal": b"title: 1" + b":1" * 30_000,
    "hexadecimal": b"title: 0x" + b"f" * 60_000,
    "unknown keys": b"".join(b"k%d: 1\n" % n for n in range(6_000)),
    "wrong parameters": b"title: T\nparameters:\n" + b"".join(b" k%d: 1\n" % n for n in range(6_000)),
    "questions": b"? " * 30_000,
    "anchors alone": b"&a " * 20_000,
    "tags": b"!a" * 30_000,
    "a long line": b"title: " + b"x" * 60_000,
    "escapes": b'title: "' + b"\\u0041" * 10_000 + b'"',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("bundles") / "editor"
    made.mkdir()
    return made


def read(folder: Path, app: bytes = APP, template: bytes = TEMPLATE, icon: bytes = ICON) -> Bundle | BrokenBundle:
    """The bundle, or what is wrong with it; anything else that is raised is a finding."""
    for name, content in (("app.yaml", app), ("job.sh.j2", template), ("icon.svg", icon)):
        (folder / name).write_bytes(content)
    try:
        return read_bundle(folder)
    except BrokenBundle as broken:
        return broken


def judge(found: Bundle | BrokenBundle, folder: Path) -> None:
    """What must hold of both: problems are told briefly, and a bundle can be shown and tried."""
    if isinstance(found, BrokenBundle):
        assert found.problems
        assert all(problem.strip() for problem in found.problems)
        assert len(found.problems) < 100
    else:
        json.dumps(found.application.json_schema(), allow_nan=False)
        with suppress(InvalidInput, OperatorError):
            found.check({})
    assert sorted(path.name for path in folder.iterdir()) == ["app.yaml", "icon.svg", "job.sh.j2"]
    assert not Path("x").exists()


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::SyntaxWarning")
@effort(2)
@example(b'title: "\\UFFFFFFFF"')
@example(b"title: !!timestamp soon")
@example(b"title: !!bool maybe")
@example(b'title: !!int ""')
@example(b"title: 1" + b":1" * 300 + b".5")
@example(b"title: T\nparameters:\n  n: {type: string, default: '', pattern: 'a{99999999999999999999}'}")
@example(b"title: T\nparameters:\n  n: {type: string, default: '', pattern: '" + b"(" * 5000 + b"'}")
@example(b"title: T\nparameters:\n  n: {type: number, minimum: -1" + b"0" * 400 + b", default: 1}")
@given(mutated((APP, *YAML), YAML_WORDS))
def test_any_declaration_loads_or_says_why_not(folder: Path, app: bytes) -> None:
    judge(read(folder, app=app), folder)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@effort(2)
@example(TEMPLATE + b"{{ n | nosuch }}")
@example(TEMPLATE + b"{{ n is nosuch }}")
@example(TEMPLATE + b"{{ " + b"(" * 3000 + b"n" + b")" * 3000 + b" }}")
@example(TEMPLATE + b"{{ n" + b"+n" * 300 + b" }}")
@example(TEMPLATE + b"{% for i in n %}" * 25 + b"{% endfor %}" * 25)
@example(TEMPLATE + b"{{ " + b"9" * 5000 + b" }}")
@example(TEMPLATE + b"{{ 1e999 }}")
@example(TEMPLATE + b"{{ 5 | dictsort }}")
@given(mutated((TEMPLATE, *TEMPLATES), TEMPLATE_WORDS))
def test_fault_36_any_template_loads_or_says_why_not(folder: Path, template: bytes) -> None:
    found = read(folder, template=template)
    if isinstance(found, BrokenBundle) or not any(word in template for word in (b"**", b"* 10")):
        judge(found, folder)  # whoever writes a loop without an end into a template of their own gets it


@effort(0.5)
@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_load_or_say_why_not(folder: Path, app: bytes, template: bytes, icon: bytes) -> None:
    judge(read(folder, app, template, icon), folder)


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_told_soon(folder: Path, bomb: bytes) -> None:
    began = time.process_time()
    judge(read(folder, app=bomb[: 64 * 1024]), folder)
    assert time.process_time() - began < 10, "seconds of CPU; ordinary: milliseconds"


def test_nothing_of_a_template_is_evaluated_when_it_is_read(folder: Path) -> None:
    """9**9**9 has 369 million digits."""
    began = time.process_time()
    assert isinstance(read(folder, template=TEMPLATE + b"{{ 9**9**9 }}{{ 'x' * 10**11 }}\n"), Bundle)
    assert time.process_time() - began < 5


def test_a_bundle_that_breaks_in_any_way_leaves_the_others(tmp_path: Path) -> None:
    """An unknown filter once ended the loader, and with it the API of every application."""
    for name, template in (("good", TEMPLATE), ("odd", TEMPLATE + b"{{ n | nosuch }}\n")):
        folder = tmp_path / name
        folder.mkdir()
        read(folder, template=template)
    catalogue = Catalogue(tmp_path)
    catalogue.refresh()
    assert [bundle.name for bundle in catalogue.all()] == ["good"]
    assert catalogue.problems["odd"] == ("job.sh.j2, line 4: No filter named 'nosuch'.",)
