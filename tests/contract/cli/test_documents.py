"""What documents show of the command line, word for word: docs/portal.md and docs/migration.md."""

import json
import re
import shutil
import subprocess
from pathlib import Path

from scripts.environment import ROOT
from tests.support.program import PROGRAM, environment
from tests.unit.settings.test_original import PUBLISHED

ONDEMAND = ROOT / "tests" / "support" / "ondemand" / "jupyter"


def blocks(page: str) -> list[str]:
    """What a page says is run here."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(r"<!-- run by: tests/contract/cli/test_documents\.py -->\n```bash\n(.*?)```", text, re.DOTALL)


def shell(commands: str, folder: Path) -> str:
    """Run them in a folder; what they print."""
    path = f"{PROGRAM.parent}:/usr/bin:/bin"
    argv = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(argv, cwd=folder, env=environment(PATH=path), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_portal_is_given_its_key_and_its_token(tmp_path: Path) -> None:
    (setting_up,) = blocks("portal.md")
    told = shell(setting_up.replace("/etc/bwvisu", str(tmp_path)), tmp_path)
    assert len((tmp_path / "session.key").read_text().strip()) == 44, "a key of Fernet"
    assert re.search(r"- \{name: portal, sha256: [0-9a-f]{64}, scopes: \[jobs:read, .*admin\]\}", told)


def test_the_original_runners_settings_are_carried_over(tmp_path: Path) -> None:
    settings, _ = blocks("migration.md")
    (tmp_path / "config.json").write_text(json.dumps(PUBLISHED))
    assert "bwvisu.yaml: good; clusters: main" in shell(settings, tmp_path)


def test_an_application_of_open_ondemand_is_taken_over(tmp_path: Path) -> None:
    _, application = blocks("migration.md")
    shutil.copytree(ONDEMAND, tmp_path / "bc_jupyter")
    (tmp_path / "applications").mkdir()
    shell(application, tmp_path)
    assert (tmp_path / "applications" / "jupyter-ood" / "app.yaml").is_file()
