"""An imported application as a job runs it: its modules are loaded, its server answers, and nothing of it stays."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.adapters.batch_script import Access, JobFacts, render
from bwvisu.adapters.bundles import read_bundle
from bwvisu.adapters.ondemand import translate, write_folder
from tests.support.waiting import free_port, until
from tests.unit.adapters.ondemand.test_import import CLEAN
from tests.unit.adapters.test_shipped_bundles import fetch

JUPYTER = """\
#!/bin/bash
# notebook --config=FILE, in place of Jupyter's: shows at the port of its configuration what it was given.
printf '%s\\n' "$1" "$LOADED" >index.html
cat "${2#--config=}" >>index.html
exec /usr/bin/python3 -I -m http.server "$(sed -n 's/^c.NotebookApp.port = //p' "${2#--config=}")"
"""
HOSTNAME = "#!/bin/sh\necho localhost\n"
"""A compute node knows its own name; the machine that tests run on may not."""
MODULE = '() { export LOADED="$LOADED $*"; }'
JOB = JobFacts("01jd00000000000000000000aa", "alice", "jupyter", "main")


@pytest.fixture(params=["", "\necho 'it has ended'\n"], ids=["server-last", "more-after-it"])
def imported(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The bundle that is made of the example.  A shell stays between us and the server where more is to come."""
    script, after = "template/script.sh.erb", "template/after.sh.erb"
    files = {script: CLEAN[script] + request.param, after: CLEAN[after] + 'echo "it is ${SCRIPT_PID:?}" >"$HOME/pid"\n'}
    write_folder(tmp_path / "jupyter", translate("jupyter", {**CLEAN, **files}).files)
    return tmp_path / "jupyter"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home with a folder that the user chooses, and programs."""
    folder = tmp_path / "home"
    (folder / "my work").mkdir(parents=True)
    (folder / "bin").mkdir()
    for name, program in {"jupyter": JUPYTER, "hostname": HOSTNAME}.items():
        (folder / "bin" / name).write_text(program)
        (folder / "bin" / name).chmod(0o755)
    (tmp_path / "tmp").mkdir()
    yield folder
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_job_of_it_serves_and_ends_with_all_that_it_has_started(imported: Path, home: Path) -> None:
    bundle, port = read_bundle(imported), free_port()
    values = bundle.check({"folder": str(home / "my work"), "node_type": "gpu", "cuda_version": "12.4"})
    script = render(bundle.source.template, values, JOB, Access("secret-word"), lambda _: f"KEYHOLE_PORT0={port}")
    own = {"HOME": str(home), "TMPDIR": str(home.parent / "tmp"), "PATH": f"{home}/bin:/usr/bin:/bin"}
    command = ["bash", "-c", script]
    with subprocess.Popen(command, env=own | {"BASH_FUNC_module%%": MODULE}, cwd=home, start_new_session=True) as job:
        try:
            page = fetch(f"http://127.0.0.1:{port}/").splitlines()
            assert page[:2] == ["notebook", " purge load python load cuda/12.4"]
            assert f"c.NotebookApp.port = {port}" in page
            assert "secret-word" not in "".join(page)
            until((home / "pid").exists, 20, "what comes after the script has run, too; it may name its process")
            job.send_signal(signal.SIGTERM)
            assert job.wait(60) == 143
            until(lambda: not alive(job.pid), 10, "nothing of the job runs any more")
        finally:
            if alive(job.pid):
                os.killpg(job.pid, signal.SIGKILL)


def test_a_script_that_loads_modules_looks_for_them_where_login_shells_do(imported: Path) -> None:
    """Without the function, which may not reach a job, the script would go on with the node's own version."""
    script, (before, _, after) = (
        "template/script.sh.erb",
        (imported / "job.sh.j2").read_text().partition("/etc/profile"),
    )
    assert "module load" not in before
    assert "module load" in after
    without = {**CLEAN, script: "#!/bin/bash\nserver --module load\n"}
    assert "/etc/profile" not in translate("jupyter", without).files["job.sh.j2"]


def alive(session: int) -> list[str]:
    """What still runs of a job: the processes of its session."""
    shown = subprocess.run(["ps", "-o", "args=", "-s", str(session)], capture_output=True, text=True, check=False)
    return [line for line in shown.stdout.splitlines() if "<defunct>" not in line]
