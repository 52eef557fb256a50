"""The real program on a real terminal, and without one."""

import json
import os
import re
import subprocess
import threading
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse

from tests.support.program import PROGRAM, at, environment, on_terminal, piped
from tests.support.small_api import JOB_ID, SmallApi, event, job, problem, snapshot

AVAILABLE = job(state="available", revision=2)
FINISHED = job(state="finished", outcome="completed", revision=3)
HOSTILE = job(state="submitted", reason={"code": "x", "message": "\x1b]0;owned\x07 \x1b[2J\nfinished"}, revision=2)
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


def life(*jobs: dict[str, object]) -> list[str]:
    first, *others = jobs
    return [snapshot(first), *(event("job", each, f"1.{number}") for number, each in enumerate(others, 2))]


def test_a_line_moves_on_a_terminal_and_stays_at_the_end(api: SmallApi) -> None:
    go = threading.Event()
    begun, *rest = life(job(), AVAILABLE, FINISHED)
    api.streams = [[begun, go, *rest]]
    with on_terminal(["job", "watch", JOB_ID], at(api)) as terminal:
        terminal.wait_for("● accepted")
        terminal.wait_for("\x1b[2K", times=2)  # drawn over: the times pass
        go.set()
        assert terminal.wait() == 0
    assert COLOUR.search(terminal.shown)
    assert "■" in terminal.shown.splitlines()[-2] + terminal.shown.splitlines()[-1]
    assert terminal.shown.endswith("\x1b[?25h")  # the cursor is back


def test_a_lost_connection_is_told_until_there_is_one_again(api: SmallApi) -> None:
    go = threading.Event()
    api.streams = [[snapshot(job())], ["retry: 1000\n\n", go, event("job", FINISHED, "1.2")]]
    with on_terminal(["job", "watch", JOB_ID], at(api)) as terminal:
        terminal.wait_for("trying again")
        told = terminal.shown.count("● accepted")
        terminal.wait_for("● accepted", times=told + 6)
        last = terminal.shown[terminal.shown.rindex("● accepted") :]
        go.set()
        assert terminal.wait() == 0
    assert "trying again" not in last


def test_no_color_means_none(api: SmallApi) -> None:
    api.streams = [life(job(), FINISHED)]
    with on_terminal(["job", "watch", JOB_ID], at(api) | {"NO_COLOR": "1"}) as terminal:
        assert terminal.wait() == 0
    assert "finished (completed)" in terminal.shown
    assert not COLOUR.search(terminal.shown)


def test_a_narrow_terminal_is_not_overrun(api: SmallApi) -> None:
    waits = job(state="submitted", reason={"code": "x", "message": "It waits for a very long time. " * 9})
    api.streams = [life(job(), waits, FINISHED)]
    with on_terminal(["job", "watch", JOB_ID], at(api), columns=30) as terminal:
        assert terminal.wait() == 0
    bare = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.shown)
    assert max(len(line) for line in re.split(r"[\r\n]+", bare)) <= 30


def test_a_dumb_terminal_gets_lines(api: SmallApi) -> None:
    api.streams = [life(job(), FINISHED)]
    with on_terminal(["job", "watch", JOB_ID], at(api) | {"TERM": "dumb"}) as terminal:
        assert terminal.wait() == 0
    assert "\x1b" not in terminal.shown


@pytest.mark.parametrize("forced", [{}, {"FORCE_COLOR": "1"}])
def test_a_pipe_gets_lines(api: SmallApi, forced: dict[str, str]) -> None:
    api.streams = [life(job(), HOSTILE, FINISHED)]
    ran = piped("job", "watch", JOB_ID, **at(api), **forced)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert [line[9:] for line in lines] == [
        "accepted",
        r"submitted: \x1b]0;owned\x07 \x1b[2J finished",
        "finished (completed)",
    ]


def test_hostile_words_do_not_reach_the_terminal(api: SmallApi) -> None:
    api.streams = [life(HOSTILE, FINISHED)]
    api.says("GET /jobs", {"items": [HOSTILE], "next_cursor": None})
    api.says(f"GET /jobs/{JOB_ID}", problem(404, "job-not-found", "\x1b[2Jboo\nboo"))
    for argv in (("watch", JOB_ID), ("list",), ("show", JOB_ID), ("list", "--json")):
        with on_terminal(["job", *argv], at(api)) as terminal:
            terminal.wait()
        assert "\x1b[2J" not in terminal.shown
        assert "\x1b]0" not in terminal.shown
        if argv[0] != "watch":  # it is over before anybody could read it
            assert r"\x1b[2J" in terminal.shown or r"\u001b[2J" in terminal.shown


def test_a_log_is_harmless_on_a_terminal_and_as_it_is_in_a_pipe(api: SmallApi) -> None:
    text = "one\n\x1b[2Jtwo\tthree\n"
    api.says(f"GET /jobs/{JOB_ID}/log", PlainTextResponse(text))
    assert piped("job", "log", JOB_ID, **at(api)).stdout == text
    assert json.loads(piped("job", "log", JOB_ID, "--json", **at(api)).stdout) == {"id": JOB_ID, "log": text}
    with on_terminal(["job", "log", JOB_ID], at(api)) as terminal:
        assert terminal.wait() == 0
    assert terminal.shown == "one\r\n\\x1b[2Jtwo three\r\n"


def test_json_is_a_line_for_each_change(api: SmallApi) -> None:
    api.streams = [life(job(), AVAILABLE), [event("resync", {"reason": "x"}), *life(AVAILABLE, FINISHED)]]
    ran = piped("job", "watch", JOB_ID, "--json", **at(api))
    assert [json.loads(line) for line in ran.stdout.splitlines()] == [job(), AVAILABLE, FINISHED]
    assert "trying again" in ran.stderr


def test_of_many_jobs_the_old_ones_are_passed_over(api: SmallApi) -> None:
    old = job(id="01jd0000000000000000000000", state="finished", outcome="failed")
    api.streams = [[snapshot(old, job()), event("job", FINISHED, "1.2")]]
    with on_terminal(["job", "watch"], at(api)) as terminal:
        terminal.wait_for("finished (completed)")
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert [line.split()[1:] for line in terminal.shown.splitlines()[:2]] == [
        [JOB_ID[-8:], "alice", "terminal", "accepted"],
        [JOB_ID[-8:], "alice", "terminal", "finished", "(completed)"],
    ]


def test_ctrl_c_ends_the_watching_and_not_the_job(api: SmallApi) -> None:
    api.streams = [[snapshot(job()), threading.Event()]]
    with on_terminal(["job", "watch", JOB_ID], at(api)) as terminal:
        terminal.wait_for("● accepted")
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert f"The job goes on: bwvisu job watch {JOB_ID[-8:]}" in terminal.shown
    assert "Traceback" not in terminal.shown
    assert {call.split()[0] for call, _, _ in api.asked} == {"GET"}


@pytest.mark.parametrize("argv", [["list"], ["list", "-q"], ["list", "--json"], ["watch", JOB_ID]])
def test_who_stopped_reading_gets_no_words(api: SmallApi, argv: list[str]) -> None:
    api.says("GET /jobs", {"items": [job()], "next_cursor": None})
    api.streams = [life(job(), FINISHED)]
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as output:
        command = [str(PROGRAM), "job", *argv]
        ran = subprocess.run(command, env=environment(**at(api)), stdout=output, stderr=subprocess.PIPE, check=False)
    assert (ran.stderr, ran.returncode) == (b"", 141)


@pytest.mark.parametrize("argv", [["list"], ["list", "--json"], ["--help"]])
def test_a_full_disk_is_said_and_is_no_defect(api: SmallApi, argv: list[str]) -> None:
    api.says("GET /jobs", {"items": [job()], "next_cursor": None})
    with Path("/dev/full").open("wb") as output:
        command = [str(PROGRAM), "job", *argv]
        ran = subprocess.run(command, env=environment(**at(api)), stdout=output, stderr=subprocess.PIPE, check=False)
    assert (ran.stderr, ran.returncode) == (b"this cannot be written: No space left on device\n", 4)


def test_a_terminal_shows_short_ids_and_a_pipe_whole_ones(api: SmallApi) -> None:
    ended = job(id="01jd0000000000000000000000", state="finished", outcome="failed")
    api.says("GET /jobs", {"items": [job(), ended], "next_cursor": None})
    with on_terminal(["job", "list"], at(api)) as terminal:
        assert terminal.wait() == 0
    assert JOB_ID[-8:] in terminal.shown
    assert JOB_ID not in terminal.shown
    assert "finished" not in terminal.shown
    assert JOB_ID in piped("job", "list", **at(api)).stdout
    assert piped("job", "list", "--all", "-q", **at(api)).stdout.split() == [JOB_ID, ended["id"]]


def test_what_an_old_locale_cannot_show_is_no_defect(api: SmallApi) -> None:
    api.says("GET /jobs", {"items": [job(user="Jürgen – ✔")], "next_cursor": None})
    ran = piped("job", "list", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", **at(api))
    assert (ran.returncode, ran.stderr) == (0, "")


SCHEMA = {
    "properties": {
        "minutes": {"type": "integer", "title": "Run time"},
        "colour": {"oneOf": [{"const": "red"}, {"const": "green"}]},
    }
}


def completed(api: SmallApi, line: str, **changes: str) -> list[str]:
    words = line.split(" ")
    shell = {"_BWVISU_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    ran = piped(**{**at(api), **shell, **changes})
    assert ran.stderr == ""
    return ran.stdout.split()


def test_tab_offers_what_there_is(api: SmallApi) -> None:
    api.says("GET /applications", {"items": [{"name": "terminal", "title": "T"}, {"name": "xpra", "title": "X"}]})
    api.says("GET /applications/terminal", {"parameters": SCHEMA})
    api.says("GET /jobs", {"items": [job(), job(id="01jd0000000000000000000000", state="finished")]})
    assert "submit" in completed(api, "bwvisu job su")
    assert completed(api, "bwvisu job submit t") == ["terminal"]
    assert completed(api, "bwvisu job show 0") == [JOB_ID[-8:]]
    assert completed(api, "bwvisu job show 01") == [JOB_ID]
    assert completed(api, "bwvisu job submit terminal -p ") == ["minutes=", "colour="]
    assert completed(api, "bwvisu job submit terminal -p colour=r") == ["colour=red"]


def test_tab_is_silent_where_nothing_answers(api: SmallApi, tmp_path: Path) -> None:
    assert completed(api, "bwvisu job show 0") == []
    assert completed(api, "bwvisu job show 0", BWVISU_URL="http://127.0.0.1:1") == []
    (tmp_path / "bwvisu").mkdir()
    (tmp_path / "bwvisu" / "config.toml").write_text("[[[")
    assert completed(api, "bwvisu job show 0", XDG_CONFIG_HOME=str(tmp_path)) == []
    assert completed(api, "bwvisu job list --profile x", XDG_CONFIG_HOME=str(tmp_path)) == []
