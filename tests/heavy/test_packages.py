"""What pages of bundles tell administrators to type, on a Debian 12 that has nothing.

Word for word, of job_templates/*/README.md: those of desktop, xpra and terminal.
"""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.environment import ROOT
from tests.support.program import PROGRAM, environment

UNASKED = 'APT::Get::Assume-Yes "true";'
"""Nobody is there who would answer apt."""


def block(bundle: str) -> str:
    """The commands that a bundle's page says are run here."""
    text = (ROOT / "job_templates" / bundle / "README.md").read_text()
    (found,) = re.findall(r"<!-- run by: tests/heavy/test_packages\.py -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert isinstance(found, str)
    return found


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("bundle", "there"),
    [
        ("desktop", "Xtigervnc tigervncpasswd websockify dbus-daemon icewm-session xterm /usr/share/novnc/vnc.html"),
        ("xpra", "xpra Xvfb xterm /usr/share/xpra/www/index.html"),
    ],
)
def test_the_packages_of_a_compute_node_bring_what_the_bundle_starts(bundle: str, there: str) -> None:
    script = f"echo '{UNASKED}' >/etc/apt/apt.conf.d/90unasked; apt-get -q update; {block(bundle)}"
    found = f"for each in {there}; do command -v $each || {{ test -e $each && echo $each; }}; done"
    done = subprocess.run(
        [ROOT / "scripts" / "fresh-machine", "sh", "-euc", f"{script}\n{found}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_terminal_is_given_newer_versions(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "job_templates" / "terminal", tmp_path / "job_templates" / "terminal")
    surroundings = environment(PATH=f"{PROGRAM.parent}:/usr/bin:/bin", HOME=str(tmp_path))
    locked = tmp_path / "job_templates" / "terminal" / "requirements.txt"
    locked.unlink()
    subprocess.run(["bash", "-euc", block("terminal")], cwd=tmp_path, env=surroundings, check=True, timeout=300)
    assert re.search(r"^notebook==[0-9.]+ \\\n    --hash=sha256:", locked.read_text(), re.MULTILINE)
    assert "://" not in locked.read_text(), "an address of a registry"
