"""An application of Open OnDemand, imported by the command and run as a real job on the cluster."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bwvisu.sandbox import Sandbox
from tests.cluster.test_app_try import tried
from tests.support.program import piped
from tests.support.stand_ins import stand_ins
from tests.unit.adapters.ondemand.test_import import CLEAN
from tests.unit.adapters.ondemand.test_run import JUPYTER

NODES = ("node1", "node2", "node3")
PROFILE = """\
module() {
    [ "$*" = 'load python' ] || return 0
    LOADED=python PATH=$HOME/stand-ins/bin:$PATH
    export LOADED
}
"""
"""What a site's /etc/profile has more than ours: a function, which is not handed down."""
NEEDS_ITS_MODULE = JUPYTER.replace("\n", '\n[ "$LOADED" = python ] || exit 9\n', 1)


@pytest.fixture
def site(sandbox: Sandbox) -> Iterator[None]:
    """Nodes with modules, one of which brings Jupyter."""
    make = '{ cat /etc/profile; printf %s "$1"; } >~/profile'
    with ExitStack() as stack:
        stack.enter_context(stand_ins(sandbox, "alice", {"jupyter": NEEDS_ITS_MODULE}))
        assert sandbox.run("cmd1", ["sh", "-c", make, "sh", PROFILE], user="alice").returncode == 0
        stack.callback(sandbox.run, "cmd1", ["rm", "/home/alice/profile"], user="alice")
        for node in NODES:
            done = sandbox.run(node, ["mount", "--bind", "/home/alice/profile", "/etc/profile"])
            assert done.returncode == 0, done.stderr
            stack.callback(sandbox.run, node, ["umount", "--lazy", "/etc/profile"])
        yield


def test_what_import_ood_makes_is_linted_started_and_answers(sandbox: Sandbox, tmp_path: Path, site: None) -> None:
    theirs = tmp_path / "bc_osc_jupyter"
    for name, text in CLEAN.items():
        (theirs / name).parent.mkdir(parents=True, exist_ok=True)
        (theirs / name).write_text(text)
    imported = piped("app", "import-ood", str(theirs), "--into", str(tmp_path))
    assert imported.returncode == 0, imported.stderr
    checked = piped("app", "lint", str(tmp_path / "jupyter"))
    assert checked.returncode == 0, checked.stdout
    code, told = tried(sandbox, tmp_path / "jupyter")
    assert (code, told["good"]) == (0, True), told
    answers = {each["step"]: each["detail"] for each in told["steps"]}
    assert answers["answer of web"] == "200 OK"
