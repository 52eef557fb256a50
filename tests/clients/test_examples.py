"""What docs/api.md shows works: its curl commands, its Python and its TypeScript, against the running API."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts.environment import ROOT
from tests.clients.conftest import running
from tests.contract.api.service import PASSWORDS, Service
from tests.support.clients import Clients, output
from tests.support.etcd import EtcdCluster
from tests.support.waiting import eventually_true

PAGE = (ROOT / "docs" / "api.md").read_text()
ADDRESS, JOB, ETAG = "http://127.0.0.1:4242", "01m82hndm0zsymx0z7qcwtk89s", '"151"'
ORIGINAL_JOB = "01m835v0jfm0jwkdyebf8ghwg7"
"""What the page shows of the service that it was recorded with."""
TELLING = re.compile(
    r'^HTTP/1\.1 \d+|^\{"[\w-]+":|"type":"/problems/[\w-]+"|"wanted":"stopped"|^event: snapshot|^#SBATCH|XXXXXXXX',
    re.MULTILINE,
)
"""What is the same in every answer to such a request."""


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
async def api(etcd: EtcdCluster, tmp_path: Path) -> AsyncIterator[Service]:
    (tmp_path / "token").write_text("bwv_portal\n")
    (tmp_path / "password").write_text(PASSWORDS["bwvisu-web"][0] + "\n")
    async with running(etcd, ROOT / "job_templates", limits={"running_per_user": 1}) as service:
        yield service


def test_every_task_stands_twice() -> None:
    parts = re.split(r"^(?=## |\*\*)", PAGE, flags=re.MULTILINE)
    tasks = [part for part in parts if re.search(r"^\$ (api|old) ", part, re.MULTILINE)]
    assert len(tasks) > 15
    assert [task.splitlines()[0] for task in tasks if "```python" not in task] == []


async def test_the_python_of_the_page_runs_in_order(api: Service, clients: Clients, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks("python")).replace(ADDRESS, api.url))
    told = await output(clients.python(script), 280, tmp_path)
    original, bobs, job = (await api.client().get("/api/v1/jobs")).json()["items"]
    assert (job["wanted"], job["parameters"]["minutes"]) == ("stopped", 30)
    assert (original["wanted"], original["parameters"]["cores"], bobs["user"]) == ("stopped", 2, "bob")
    for shown in (
        "/variables/number_of_nodes",
        "applied 90 min",
        "#SBATCH",
        "201 200 True",
        "1 of 1",
        f"{{'{job['id']}': 'finished'}}",
    ):
        assert shown in told
    assert "http://gw1.example.org:50007/login?next=/terminals/1" in told
    assert "/parameters/cors there is no parameter 'cors'; did you mean 'cores'?" in told


async def test_the_typescript_of_the_page_runs(api: Service, clients: Clients, tmp_path: Path) -> None:
    script = tmp_path / "page.ts"
    script.write_text("\n".join(blocks("ts")).replace(ADDRESS, api.url))
    told = await output(clients.typescript(script), 280, tmp_path, TOKEN="bwv_portal")
    job = (await api.client().get(f"/api/v1/jobs/{told.split()[0]}")).json()
    assert (job["wanted"], job["parameters"]["minutes"]) == ("stopped", 30)


def commands() -> list[tuple[str, str]]:
    """Each `$ api …` and `$ old …` of the page, and what is shown as its answer."""
    parts = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)]
    return [_typed(part) for part in parts if part.startswith(("api ", "old "))]


def _typed(part: str) -> tuple[str, str]:
    """A command goes on after a backslash, and while a quote is open."""
    lines = part.splitlines(keepends=True)
    typed = lines.pop(0)
    while typed.endswith("\\\n") or typed.count("'") % 2:
        typed += lines.pop(0)
    return typed.rstrip("\n"), "".join(lines)


class Reader:
    """Types the commands of the page, with what is real in the place of what was recorded."""

    def __init__(self, api: Service, folder: Path) -> None:
        self._client = api.client()
        self._prelude = "\n".join(blocks("bash"))
        self._folder = folder
        self._real = {ADDRESS: api.url}
        self.told = ""

    async def is_answered_so(self, command: str, shown: str) -> bool:
        """Whether the answer is, in what is telling, the one that is shown."""
        script = f"{self._prelude}\n{command}"
        for recorded, real in self._real.items():
            script = script.replace(recorded, real)
        self.told = told = await output(["bash", "-euc", script], 60, self._folder)
        if made := re.search(r'^\{"id":"(\w+)".*"revision":(\d+)', told, re.MULTILINE):
            self._real |= {JOB: made[1], ETAG: f'"{made[2]}"'}
        if made := re.search(r'^\{"job-id":"(\w+)"\}', told, re.MULTILINE):
            self._real[ORIGINAL_JOB] = made[1]
        if (
            "/problems/precondition-failed" in told
        ):  # the job went on since it was read: as the page says, read it again
            self._real[ETAG] = (await self._client.get(f"/api/v1/jobs/{self._real[JOB]}")).headers["ETag"]
        return all(word in told for word in TELLING.findall(shown))


async def test_the_curl_of_the_page_is_answered_as_shown(api: Service, tmp_path: Path) -> None:
    reader = Reader(api, tmp_path)
    assert len(commands()) > 25
    for command, shown in commands():
        try:
            await eventually_true(lambda: reader.is_answered_so(command, shown), 60)  # noqa: B023 awaited at once
        except TimeoutError:
            pytest.fail(f"{command}\nis shown with\n{shown}\nand answered\n{reader.told}")
