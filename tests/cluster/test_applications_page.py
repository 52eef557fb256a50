"""docs/applications.md, from an image to an application: an administrator who does just what it says gets there."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from bwvisu.cli.local import LocalService, until
from bwvisu.sandbox import Sandbox
from tests.support.program import piped
from tests.support.stand_ins import stand_ins
from tests.support.world import leave_whole, service_in

PAGE = (Path(__file__).parents[2] / "docs/applications.md").read_text()
WHERE = "/etc/bwvisu/applications"
IMAGE = "/opt/images/editor.sif"
ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><rect width="8" height="8"/></svg>\n'
APPTAINER = f"""\
#!/bin/sh
# exec --bind FOLDER IMAGE COMMAND…; Debian 12 has no Apptainer, so that the command runs beside the image.
[ "$1 $2 $4" = "exec --bind {IMAGE}" ] && [ -d "$3" ] || exit 9
shift 4
exec "$@"
"""
EDITOR = """\
#!/bin/sh
# --listen ADDRESS --port PORT --password-file FILE
[ "$1 $3 $5" = "--listen --port --password-file" ] && [ -s "$6" ] || exit 9
exec /usr/bin/python3 -I -m http.server --bind "$2" "$4"
"""


def blocks(language: str) -> list[str]:
    """The fenced blocks of this part of the page."""
    part = PAGE.partition("## From an image to an application\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """The folder of all applications, which are none yet."""
    folder = tmp_path / "published"
    folder.mkdir()
    return folder


@pytest.fixture
def service(sandbox: Sandbox, tmp_path: Path, published: Path) -> Iterator[LocalService]:
    with service_in(sandbox, tmp_path / "service", applications={"path": str(published)}) as service:
        service.start()
        service.wait_until_ready(120)
        yield service


@pytest.fixture
def image(sandbox: Sandbox) -> Iterator[None]:
    """On every compute node there is an image, and Apptainer; of both, what the page shows of them."""
    with ExitStack() as stack:
        for node in ("node1", "node2", "node3"):
            assert sandbox.run(node, ["mount", "-t", "tmpfs", "none", "/opt"]).returncode == 0
            stack.callback(sandbox.run, node, ["umount", "--lazy", "/opt"])
            assert sandbox.run(node, ["install", "-D", "/dev/null", IMAGE]).returncode == 0
        stack.enter_context(stand_ins(sandbox, "alice", {"apptainer": APPTAINER, "editor": EDITOR}))
        yield


def test_an_administrator_gets_from_an_image_to_an_application(
    service: LocalService, published: Path, tmp_path: Path, image: None
) -> None:
    (declared,), (script,), (publish, change) = blocks("yaml"), blocks("bash"), blocks("sh")
    bundle = tmp_path / "editor"
    bundle.mkdir()
    for name, text in {"app.yaml": declared, "job.sh.j2": script, "icon.svg": ICON, "README.md": "An image.\n"}.items():
        (bundle / name).write_text(text)
    checked = piped("app", "lint", "--strict", str(bundle))
    assert checked.returncode == 0, checked.stdout

    with service.client() as client:
        shell(publish, tmp_path, published)
        until(lambda: version(client) == "2.1", 20, "it is offered")
        token = tmp_path / "token"
        token.touch(0o600)
        token.write_text(service.token)
        where = ("--url", service.url, "--token-file", str(token), "--user", "alice")
        tried = piped("app", "try", str(bundle), *where, "-p", "minutes=5")
        assert tried.returncode == 0, tried.stdout + tried.stderr
        assert "available" in tried.stdout

        (bundle / "app.yaml").write_text(declared.replace('version: "2.1"', 'version: "2.2"'))
        shell(change, tmp_path, published)
        until(lambda: version(client) == "2.2", 20, "its next version is offered")
        leave_whole(service, client)


def shell(commands: str, folder: Path, published: Path) -> None:
    """The page's commands, with another folder of applications."""
    assert WHERE in commands
    subprocess.run(["bash", "-euc", commands.replace(WHERE, str(published))], cwd=folder, check=True)


def version(client: httpx2.Client) -> str:
    """Of the application that is offered; empty: none."""
    return str(client.get("/api/v1/applications/editor").json().get("version", ""))
