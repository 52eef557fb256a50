"""``bwvisu app try`` by a service that has the application: what is told, and that no job stays."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from bwvisu.adapters.bundles import read_bundle
from bwvisu.cli.trial import first_answer
from tests.support.program import at, piped
from tests.support.small_api import JOB_ID, SmallApi, job, problem
from tests.support.waiting import free_port

PAGE = Path(__file__).parents[3] / "job_templates" / "page"
JOB = f"/jobs/{JOB_ID}"
ENDED = job(state="finished", outcome="cancelled", wanted="stopped")


def service(port: int, protocol: str = "http", name: str = "web") -> dict[str, Any]:
    way = {"gateway": "gw1", "internal_host": "node1", "internal_port": 1, "reachable": True}
    return {"name": name, "protocol": protocol, "external_host": "127.0.0.1", "external_port": port, **way}


def states(*names: str) -> list[dict[str, str]]:
    return [{"state": name, "at": f"2026-11-22T12:00:0{number}Z"} for number, name in enumerate(names)]


@pytest.fixture
def known(api: SmallApi) -> SmallApi:
    """It has the page in the version that is here."""
    api.says("GET /applications/page", {"digest": read_bundle(PAGE).digest})
    api.says("POST /jobs", JSONResponse(job(application="page"), 201))
    api.says(f"DELETE {JOB}", JSONResponse(job(wanted="stopped"), 202))
    return api


def tried(api: SmallApi, *argv: str) -> Any:
    return piped("app", "try", str(PAGE), "--url", api.url, *argv, **at(api))


@contextmanager
def greeting(text: bytes) -> Iterator[int]:
    """A port that says this to whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            connection, _ = server.accept()
            with connection, suppress(ConnectionError):
                connection.sendall(text)

        greeter = threading.Thread(target=greet)
        greeter.start()
        yield server.getsockname()[1]
        greeter.join(10)


def test_each_step_is_told_and_the_job_is_ended(known: SmallApi) -> None:
    port = int(known.url.rpartition(":")[2])
    way = [service(port)]
    known.says(
        f"GET {JOB}",
        job(state="running", timeline=states("accepted", "submitted", "running")),
        job(state="running", timeline=states("accepted", "submitted", "running"), services=way),
        job(state="available", timeline=states("accepted", "submitted", "running", "available"), services=way),
        ENDED,
    )
    ran = tried(known, "-p", "minutes=5", "--user", "bob")
    assert ran.returncode == 0, ran.stderr
    lines = [line.split("s  ", 1)[1] for line in ran.stdout.splitlines()]
    assert lines == [
        "accepted",
        "submitted",
        "running",
        f"port web: 127.0.0.1:{port} leads to node1:1",
        "answer of web: 404 Not Found",
        "available",
        "ended: finished (cancelled)",
    ]
    assert ran.stdout.splitlines()[2].startswith("   2.0 s")
    (body,) = (json.loads(body) for asked, _, body in known.asked if asked == "POST /jobs")
    assert body == {"user": "bob", "application": "page", "parameters": {"minutes": 5}}
    assert [asked for asked, _, _ in known.asked].count(f"DELETE {JOB}") == 1


def test_a_job_that_ends_before_it_answers_is_told_with_its_log(known: SmallApi) -> None:
    why = {"code": "failed", "message": "It ended with 3."}
    known.says(f"GET {JOB}", job(state="finished", outcome="failed", reason=why, exit_code=3))
    known.says(f"GET {JOB}/log", PlainTextResponse("one\ntwo\n"))
    ran = tried(known)
    assert ran.returncode == 5
    assert ran.stdout.endswith("ended: finished (failed)\none\ntwo\n")
    assert ran.stderr.endswith("It did not get there: finished (failed): It ended with 3.\n")
    told = json.loads(tried(known, "--json").stdout)
    assert (told["application"], told["job"], told["good"], told["log"]) == ("page", JOB_ID, False, "one\ntwo")
    assert [each["step"] for each in told["steps"]] == ["accepted", "ended"]
    assert f"DELETE {JOB}" not in [asked for asked, _, _ in known.asked]


def test_a_job_that_takes_too_long_is_ended(known: SmallApi) -> None:
    known.says(f"GET {JOB}", *[job(state="submitted")] * 30, ENDED)
    ran = tried(known, "--timeout", "1")
    assert ran.returncode == 5
    assert "It did not get there: after 1 s it still was submitted" in ran.stderr
    assert ran.stdout.splitlines()[-1].endswith("ended: finished (cancelled)")


def test_a_service_must_have_this_very_bundle(api: SmallApi) -> None:
    api.says("GET /applications/page", {"digest": "0" * 64})
    other = tried(api)
    assert (other.returncode, other.stdout) == (1, "")
    assert "has another version of page" in other.stderr
    api.says("GET /applications/page", problem(404, "application-not-found", "there is none"))
    assert "has no application page" in tried(api).stderr
    assert "POST /jobs" not in [asked for asked, _, _ in api.asked]


def test_what_the_service_refuses_is_told_by_the_labels_of_the_form(known: SmallApi) -> None:
    faults = [{"pointer": "/parameters/minutes", "detail": "minutes must be at least 1 min"}]
    known.says("POST /jobs", problem(422, "invalid-input", "no", errors=faults))
    ran = tried(known)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.splitlines()[-1] == "Run time: minutes must be at least 1 min"


def test_ports_are_asked_as_their_protocols_ask(api: SmallApi) -> None:
    assert first_answer(service(int(api.url.rpartition(":")[2]))) == "404 Not Found"
    with greeting(b"RFB 003.008\n") as port:
        assert first_answer(service(port, "vnc")) == "RFB 003.008"
    with greeting(b"") as port:
        assert first_answer(service(port, "tcp")) == "connected"
    for protocol in ("http", "https", "tcp", "vnc"):
        assert first_answer(service(free_port(), protocol)) == ""
