"""``bwvisu job`` as people run it: the real program against a real service."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.contract.api.service import Service
from tests.contract.api.test_jobs import AVAILABLE, FINISHED, seen
from tests.contract.api.test_log import reports
from tests.support.waiting import eventually_true


class Ran(NamedTuple):
    code: int
    out: str
    err: str


@asynccontextmanager
async def started(*argv: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program, while it runs; it must end within a minute."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BWVISU_", "XDG_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from bwvisu.cli import main; main()",
        *argv,
        env={**inherited, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1", **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def bwvisu(*argv: str, given: str = "", **environment: str) -> Ran:
    """Run the program; ``given`` is its standard input."""
    async with started(*argv, **environment) as process:
        out, err = await process.communicate(given.encode())
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def has_jobs(api: Service) -> bool:
    return bool(await api.records("specs"))


def at(api: Service, holder: str = "portal") -> dict[str, str]:
    return {"BWVISU_URL": api.url, "BWVISU_TOKEN": f"bwv_{holder}"}


async def submitted(*argv: str, **environment: str) -> str:
    """The id of a job that the program starts."""
    ran = await bwvisu("job", "submit", "probe", *argv, **environment)
    assert (ran.code, ran.err) == (0, ""), ran
    return ran.out.strip()


async def test_a_job_from_submit_to_its_end(api: Service) -> None:
    job_id = await submitted("--user", "alice", "-p", "minutes=7", "--param", "flag=true", **at(api))
    shown: dict[str, Any] = json.loads((await bwvisu("job", "show", job_id, "--json", **at(api))).out)
    assert (shown["parameters"]["minutes"], shown["parameters"]["flag"]) == (7, True)

    not_yet = await bwvisu("job", "open", job_id, **at(api))
    assert (not_yet.code, not_yet.err) == (1, "the job is accepted, not available\n")

    watching = asyncio.create_task(bwvisu("job", "watch", job_id, "--until", "available", **at(api)))
    await seen(api, job_id, AVAILABLE)
    watched = await watching
    assert (watched.code, watched.err) == (0, "")
    assert watched.out.splitlines()[-1].endswith(" available")

    opened = await bwvisu("job", "open", job_id, "--print", **at(api))
    assert "Address:  http://gw1.example.org:50007/lab#password=" in opened.out

    cancelled = await bwvisu("job", "cancel", job_id, **at(api))
    assert cancelled.out == f"{job_id}: available, stopping\n"
    await seen(api, job_id, FINISHED)
    ended = await bwvisu("job", "watch", job_id, **at(api))
    assert (ended.code, ended.out.splitlines()[-1][9:]) == (5, "finished (failed): It ended with 3.")


async def test_submit_stays_until_the_job_can_be_entered(api: Service) -> None:
    argv = ("job", "submit", "probe", "--user", "alice", "--wait")
    async with started(*argv, **at(api)) as waiting:
        assert waiting.stdout is not None
        job_id = (await waiting.stdout.readline()).decode().strip()
        await seen(api, job_id, AVAILABLE)
        out, err = await waiting.communicate()
    assert (waiting.returncode, out) == (0, b"")
    assert err.decode().splitlines()[-1].endswith(" available")


async def test_submit_says_when_the_job_ended_instead(api: Service) -> None:
    waiting = asyncio.create_task(bwvisu("job", "submit", "probe", "--user", "alice", "--wait", "--json", **at(api)))
    await eventually_true(lambda: has_jobs(api), 60)
    (spec,) = await api.records("specs")
    await seen(api, spec, FINISHED)
    ended = await waiting
    assert (ended.code, json.loads(ended.out)["outcome"]) == (5, "failed")


async def test_json_tells_each_change_once(api: Service) -> None:
    job = await api.submit()
    async with started("job", "watch", job["id"], "--json", **at(api)) as watching:
        assert watching.stdout is not None
        first = json.loads(await watching.stdout.readline())
        available = await seen(api, job["id"], AVAILABLE)
        second = json.loads(await watching.stdout.readline())
        finished = await seen(api, job["id"], FINISHED)
        out, _ = await watching.communicate()
    assert [first, second, *map(json.loads, out.splitlines())] == [job, available, finished]


async def test_all_jobs_are_watched_until_somebody_ends_it(api: Service) -> None:
    mine = await api.submit(user="alice")
    async with started("job", "watch", "--user", "alice", **at(api)) as watching:
        assert watching.stdout is not None
        assert (await watching.stdout.readline()).decode().endswith(f" {mine['id'][-8:]} alice probe accepted\n")
        await api.submit(user="bob")
        await seen(api, mine["id"], AVAILABLE)
        assert (await watching.stdout.readline()).decode().endswith(" alice probe available\n")
        watching.send_signal(signal.SIGINT)
        _, err = await watching.communicate()
    assert (watching.returncode, err) == (130, b"")


async def test_the_browser_gets_what_is_secret_by_a_private_file(api: Service, tmp_path: Path) -> None:
    job = await api.submit()
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\necho $# $1 >{tmp_path}/argv\ncp -p ${{1#file://}} {tmp_path}/page\n")
    browser.chmod(0o700)
    place = {"BROWSER": str(browser), "XDG_RUNTIME_DIR": str(tmp_path)}
    opening = asyncio.create_task(bwvisu("job", "open", "--wait", job["id"], **place, **at(api)))
    await seen(api, job["id"], AVAILABLE)
    opened = await opening
    assert (opened.code, opened.out) == (0, "")
    assert opened.err.splitlines()[-1].endswith(" available")
    secret = (await bwvisu("job", "open", job["id"], "--json", **at(api))).out
    password = json.loads(secret)["password"]
    assert (tmp_path / "argv").read_text().startswith(f"1 file://{tmp_path}/bwvisu-")
    page = tmp_path / "page"
    assert f"http://gw1.example.org:50007/lab#password={password}" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


async def test_the_end_of_an_id_is_enough(api: Service) -> None:
    job = await api.submit()
    shown = await bwvisu("job", "show", job["id"][-6:], "--json", **at(api))
    assert json.loads(shown.out) == job
    assert (await bwvisu("job", "cancel", job["id"][-6:], **at(api))).out.startswith(job["id"])
    assert (await bwvisu("job", "show", job["id"][-6:], **at(api, "alices"))).code == 0
    strangers = await api.submit(user="bob")
    assert (await bwvisu("job", "show", strangers["id"][-6:], **at(api, "alices"))).err == "there is no such job\n"


async def test_the_same_key_makes_one_job(api: Service) -> None:
    argv = ("--user", "alice", "--idempotency-key", "k")
    assert await submitted(*argv, **at(api)) == await submitted(*argv, **at(api))
    assert len(await api.records("specs")) == 1


async def test_lists_for_people_and_for_programs(api: Service) -> None:
    mine, theirs = await api.submit(user="alice"), await api.submit(user="bob")
    listed = json.loads((await bwvisu("job", "list", "--json", **at(api))).out)
    assert [job["id"] for job in listed] == [theirs["id"], mine["id"]]
    one = json.loads((await bwvisu("job", "list", "--limit", "1", "--json", **at(api))).out)
    assert [job["id"] for job in one] == [theirs["id"]]
    table = (await bwvisu("job", "list", "--user", "alice", **at(api))).out.splitlines()
    assert table[0].split() == ["ID", "User", "Application", "Cluster", "State", "Age", "Note"]
    assert [line.split()[:5] for line in table[1:]] == [[mine["id"], "alice", "probe", "main", "accepted"]]
    await seen(api, mine["id"], FINISHED)
    assert (await bwvisu("job", "list", "-q", **at(api))).out == f"{theirs['id']}\n"
    for argv in (("--all", "--user", "alice"), ("--state", "finished")):
        assert (await bwvisu("job", "list", "-q", *argv, **at(api))).out == f"{mine['id']}\n"
    for argv in (("--application", "other"), ("--cluster", "other")):
        assert (await bwvisu("job", "list", "-q", *argv, **at(api))).out == ""


async def test_the_catalogue_and_its_parameters(api: Service) -> None:
    listed = (await bwvisu("job", "applications", **at(api))).out.splitlines()
    assert [line.split() for line in listed[1:]] == [["probe", "Probe", "main", "For", "tests."]]
    told = {
        line.split()[0]: line for line in (await bwvisu("job", "applications", "probe", **at(api))).out.splitlines()
    }
    assert told["minutes"].split()[-5:] == ["integer", "1", "to", "60", "15"]
    assert "red | green" in told["colour"]


async def test_the_log_of_a_job(api: Service) -> None:
    job = await api.submit()
    nothing = await bwvisu("job", "log", job["id"], **at(api))
    assert (nothing.code, nothing.err.count("\n")) == (1, 1)
    await reports(api, job["id"], 1, "one\ntwo\n")
    assert (await bwvisu("job", "log", job["id"][-8:], **at(api))).out == "one\ntwo\n"


async def test_errors_are_one_line_and_a_code(api: Service, tmp_path: Path) -> None:
    wrong = await bwvisu("job", "submit", "probe", "--user", "alice", "-p", "minutes=99", **at(api))
    assert (wrong.code, wrong.out) == (1, "")
    assert wrong.err.endswith(": minutes must be at most 60\n")
    nobody = await bwvisu("job", "submit", "porbe", "--user", "alice", **at(api))
    assert (nobody.code, nobody.err) == (1, "there is no such application; did you mean 'probe'?\n")
    unknown = await bwvisu("job", "show", "nonsense", **at(api))
    assert (unknown.code, unknown.err) == (1, "there is no such job\n")
    stranger = await bwvisu("job", "list", BWVISU_URL=api.url, BWVISU_TOKEN="no")
    assert stranger.code == 6
    reader = await bwvisu("job", "submit", "probe", "--user", "alice", **at(api, "reader"))
    assert (reader.code, reader.err) == (1, "this needs the scope jobs:write\n")
    silent = await bwvisu("job", "list", BWVISU_URL="http://127.0.0.1:1", BWVISU_TOKEN="no")
    assert silent.code == 3
    tokenless = await bwvisu("job", "list", BWVISU_URL=api.url, HOME=str(tmp_path))
    assert (tokenless.code, tokenless.err.count("\n")) == (6, 1)
    assert (await bwvisu("job", "nonsense")).code == 2


async def test_a_profile_is_added_once_and_used_from_then_on(api: Service, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    argv = ("profile", "add", "work", "--url", api.url, "--user", "alice")
    assert (await bwvisu(*argv, given="", **home)).code == 6
    added = await bwvisu(*argv, given="bwv_portal\n", **home)
    folder = tmp_path / ".config" / "bwvisu"
    assert (added.code, added.out) == (0, f"{folder}/config.toml: work added; it is the default\n")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert "bwv_portal" not in (folder / "config.toml").read_text()
    job_id = await submitted(**home)
    assert json.loads((await bwvisu("job", "show", job_id, "--json", **home)).out)["user"] == "alice"
    assert (await bwvisu(*argv, given="bwv_other", **home)).code == 1
    assert (await bwvisu("profile", "add", "a.b", "--url", api.url, given="x", **home)).code == 2
    assert (await bwvisu("profile", "add", "näx", "--url", "x", given="x", **home)).code == 2
    more = await bwvisu("profile", "add", "other", "--url", "http://127.0.0.1:1", given="x", **home)
    assert more.out.endswith("other added\n")
    listed = json.loads((await bwvisu("profile", "list", "--json", **home)).out)
    assert [(each["name"], each["default"]) for each in listed] == [("work", True), ("other", False)]
    (folder / "work.token").chmod(0o644)
    refused = await bwvisu("job", "list", **home)
    assert (refused.code, refused.err.endswith(f"chmod go= {folder}/work.token\n")) == (1, True)


async def test_the_token_may_lie_in_a_file(api: Service, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("bwv_portal\n")
    token.chmod(0o600)
    assert (await bwvisu("job", "list", "--json", "--token-file", str(token), BWVISU_URL=api.url)).out == "[]\n"


async def test_settings_are_checked_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "bwvisu.yaml"
    ssh = "{key_file: /nowhere/k, known_hosts: /nowhere/h}"
    cluster = f"{{ssh: {ssh}, command_nodes: [{{host: c, user: u}}]}}"
    path.write_text(f"clusters: {{main: {cluster}}}\napplications: {{path: {tmp_path}}}\n")
    good = await bwvisu("config", "check", "--config", str(path))
    assert (good.code, good.out) == (0, f"{path}: good; clusters: main; tokens: 0\n")
    assert good.err.splitlines() == [
        "warning: clusters.main.ssh.key_file: /nowhere/k is not there",
        "warning: clusters.main.ssh.known_hosts: /nowhere/h is not there",
    ]
    shown = json.loads((await bwvisu("config", "show", "--json", BWVISU_CONFIG=str(path), BWVISU_API__PORT="1")).out)
    assert shown["api"]["port"] == 1
    path.write_text("cluster: {}\n")
    bad = await bwvisu("config", "check", "--config", str(path))
    assert (bad.code, bad.out) == (4, "")
    assert bad.err == (f"{path}:1: clusters: is missing\n{path}:1: cluster: unknown key; did you mean 'clusters'?\n")


async def test_the_description_is_printed_and_checked(tmp_path: Path) -> None:
    printed = await bwvisu("openapi")
    assert json.loads(printed.out)["openapi"].startswith("3.1")
    stale = tmp_path / "openapi.json"
    stale.write_text("{}")
    assert (await bwvisu("openapi", "--check", "--path", str(stale))).code == 1
    assert stale.read_text() == "{}"
    assert (await bwvisu("openapi", "--path", str(stale))).code == 0
    assert stale.read_text() == printed.out


async def test_an_interrupted_watch_ends_with_130(api: Service) -> None:
    job = await api.submit()
    async with started("job", "watch", job["id"], **at(api)) as watching:
        assert watching.stdout is not None
        await watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        _, err = await watching.communicate()
    name = job["id"][-8:]
    words = f"The job goes on: bwvisu job watch {name}; to stop it: bwvisu job cancel {name}\n"
    assert (watching.returncode, err.decode()) == (130, words)
    assert json.loads((await bwvisu("job", "show", name, "--json", **at(api))).out)["wanted"] == "running"
