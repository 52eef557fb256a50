"""The Dockerfile, and what the image is asked whether it is well.  tests/heavy/test_image.py makes one and runs it."""

import json
import re
import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from deploy.health import command, main
from scripts.chart import Tools, write_sbom
from scripts.environment import ROOT
from scripts.image import instructions

SETTINGS = """\
api: {{host: 127.0.0.1, port: {port}}}
clusters:
  main: {{ssh: {{key_file: /k, known_hosts: /h}}, command_nodes: [{{host: login, user: bwvisu}}]}}
"""


def told() -> list[tuple[str, str]]:
    return list(instructions((ROOT / "Dockerfile").read_text()))


def test_hadolint_finds_nothing() -> None:
    Tools().ensure()
    lint: list[Path | str] = [Tools().tool("hadolint"), ROOT / "Dockerfile"]
    done = subprocess.run(lint, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular_and_says_whether_it_is_well() -> None:
    last = told()[max(number for number, (name, _) in enumerate(told()) if name == "FROM") :]
    assert ("USER", "10001:10001") in last
    assert "HEALTHCHECK" in dict(last)


def test_nothing_is_installed_without_its_hash() -> None:
    installs = [part for name, text in told() if name == "RUN" for part in text.split("&&") if "pip install" in part]
    assert installs
    assert [part for part in installs if "--require-hashes" not in part and "--no-index" not in part] == []


def test_what_is_copied_is_in_the_context() -> None:
    copies = [text.split()[:-1] for name, text in told() if name == "COPY" and "--from" not in text]
    copied = {source for sources in copies for source in sources}
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied == {line.removeprefix("!") for line in lines if line.startswith("!")}


@pytest.mark.parametrize(
    ("line", "role", "config"),
    [
        ("/opt/bwvisu/bin/python bwvisu serve api --config /c.yaml", "api", "/c.yaml"),
        ("bwvisu serve reconciler --config=/c.yaml", "reconciler", "/c.yaml"),
        ("docker-init -- bwvisu serve portal -c /c.yaml", "portal", "/c.yaml"),
        ("bwvisu serve all", "all", None),
    ],
)
def test_the_health_check_asks_for_the_containers_own_role(line: str, role: str, config: str | None) -> None:
    assert command(line.split()) == (role, Path(config) if config else None)


class Answer(BaseHTTPRequestHandler):
    """Says to ``/livez`` what the test wants."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Path]:
    """The file with process 1's command line, whose settings lead to a server."""
    with HTTPServer(("127.0.0.1", 0), Answer) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        settings = tmp_path / "bwvisu.yaml"
        settings.write_text(SETTINGS.format(port=http.server_port))
        process = tmp_path / "cmdline"
        process.write_text("\0".join(["bwvisu", "serve", "api", "--config", str(settings), ""]))
        yield process
        http.shutdown()


def test_a_role_that_answers_is_well_and_one_that_does_not_is_not(
    process: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(process) == 0
    monkeypatch.setattr(Answer, "status", 500)
    assert main(process) == 1
    assert capsys.readouterr().out == "no answer: api\n"
    process.write_text(process.read_text().replace("serve\0api", "serve\0reconciler"))
    assert main(process) == 0, "it listens on nothing"
    settings = process.with_name("bwvisu.yaml")
    settings.write_text(settings.read_text() + "leader: {metrics: {port: 1}}\n")
    assert main(process) == 1


CHECK = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

sys.exit(repr(fault) if (fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())) else 0)
"""


def test_the_bill_of_materials_names_what_is_locked(tmp_path: Path) -> None:
    write_sbom(tmp_path / "bill.json")
    text = (tmp_path / "bill.json").read_text()
    done = subprocess.run(
        [Tools().python, "-c", CHECK], input=text, check=False, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    locked = re.findall(r"^([a-z0-9-]+==[^ ]+)", (ROOT / "constraints-image.txt").read_text(), re.MULTILINE)
    named = {f"{each['name']}=={each['version']}" for each in json.loads(text)["components"]}
    assert named >= set(locked)
    assert any(each.startswith("htmx.org==") for each in named)
