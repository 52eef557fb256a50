"""One job of an application, from acceptance to its end: each step with its time, and nothing left behind."""

import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import uuid4

import httpx2

from bwvisu.cli import display
from bwvisu.cli.output import plain
from bwvisu.cli.progress import now_utc
from bwvisu.cli.rest import Rest, persistently
from bwvisu.domain.address import place
from bwvisu.errors import BwvisuError
from bwvisu.rest import Json

PATIENCE = 3.0
"""Seconds for one look at a port."""
EVERY = 0.2
"""Seconds between two looks."""
TO_END = 90.0
"""Seconds in which a job ends that is cancelled."""
LAST_LINES = 20
"""Of its log, where it did not get there."""


class Tell(Protocol):
    """Who hears of each step."""

    def __call__(self, step: str, seconds: float, detail: str = "") -> None:
        """It is done, so many seconds after the job was accepted."""


@dataclass(slots=True)
class Trial:
    """What became of a job; ``good``: all its ports answered, or it had none and ended well."""

    job: Json
    good: bool = False
    why: str = ""
    log: str = ""
    told: int = 0
    """Moments of its timeline that were told."""
    leading: set[str] = field(default_factory=set)
    """Ports to which the way is open."""
    answered: set[str] = field(default_factory=set)


def run(rest: Rest, body: Json, seconds: float, tell: Tell, log: Callable[[Json], str]) -> Trial:
    """Start the job, look on until its ports answer or ``seconds`` are over, end it.  Raises what the API refuses.

    ``log`` knows what a job wrote, for one that did not report it.
    """
    began = time.monotonic()

    def passed() -> float:
        return time.monotonic() - began

    trial = Trial(_start(rest, body))
    try:
        while not _over(trial):
            if passed() > seconds:
                trial.why = f"after {seconds:g} s it still was {display.line(trial.job, now_utc())}"
                break
            _look(rest, trial, tell, passed)
        if not trial.good:
            trial.log = "\n".join((_reported(rest, trial.job) or log(trial.job)).splitlines()[-LAST_LINES:])
    finally:
        _end(rest, trial, tell, passed)
    return trial


def _start(rest: Rest, body: Json) -> Json:
    """One job, however often it is tried; where somebody loses patience meanwhile, none stays."""
    headers = {"Idempotency-Key": str(uuid4())}

    def post() -> Json:
        return rest.call("POST", "/jobs", json=body, headers=headers)

    try:
        return persistently(post)
    except KeyboardInterrupt:
        job_id = persistently(post)["id"]
        persistently(lambda: rest.call("DELETE", f"/jobs/{job_id}"))
        raise


def _over(trial: Trial) -> bool:
    """Whether it got there, or never will."""
    job = trial.job
    if job["state"] == "finished":
        trial.good = job["outcome"] == "completed" and not trial.leading
        trial.why = "" if trial.good else display.line(job, now_utc())
        return True
    trial.good = job["state"] == "available" and len(trial.answered) == len(job["services"])
    return trial.good


def _look(rest: Rest, trial: Trial, tell: Tell, passed: Callable[[], float]) -> None:
    """One look at the job, and at those of its ports that have not answered."""
    time.sleep(EVERY)
    _refresh(rest, trial, tell)
    for service in trial.job["services"]:
        name = str(service["name"])
        if name not in trial.leading:
            trial.leading.add(name)
            tell(f"port {name}", passed(), _way(service))
        if name not in trial.answered and (answer := first_answer(service)):
            trial.answered.add(name)
            tell(f"answer of {name}", passed(), answer)


def _refresh(rest: Rest, trial: Trial, tell: Tell) -> None:
    """The job as it is now; the states that it has been in since are told with the API's own times."""
    trial.job = persistently(lambda: rest.call("GET", f"/jobs/{trial.job['id']}"))
    accepted = display.instant(trial.job["created_at"])
    for moment in trial.job["timeline"][trial.told :]:
        at = display.instant(moment["at"])
        seconds = (at - accepted).total_seconds() if at and accepted else 0.0
        tell(str(moment["state"]), seconds, display.why(trial.job) if moment["state"] == trial.job["state"] else "")
    trial.told = len(trial.job["timeline"])


def first_answer(service: Json) -> str:
    """What a port says when it is asked as its protocol asks; empty: nothing."""
    host, port = str(service["external_host"]), int(service["external_port"])
    if service["protocol"] in ("http", "https"):
        return _page(f"{service['protocol']}://{place(host, port)}/")
    try:
        with socket.create_connection((host, port), PATIENCE) as connection:
            if service["protocol"] != "vnc":
                return "connected"
            connection.settimeout(PATIENCE)
            return plain(connection.recv(12).decode("ascii", "replace").strip())
    except OSError:
        return ""


def _page(url: str) -> str:
    # Whether it answers is the question; who has signed its certificate, an application of a job cannot help.
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    try:
        with httpx2.Client(verify=trust, timeout=PATIENCE, trust_env=False) as client, client.stream("GET", url) as got:
            return f"{got.status_code} {plain(got.reason_phrase)}".strip()
    except httpx2.HTTPError:
        return ""


def _way(service: Json) -> str:
    outer = place(service["external_host"], service["external_port"])
    return f"{outer} leads to {place(service['internal_host'], service['internal_port'])}"


def _reported(rest: Rest, job: Json) -> str:
    try:
        return rest.answer("GET", f"/jobs/{job['id']}/log").text
    except BwvisuError:
        return ""


def _end(rest: Rest, trial: Trial, tell: Tell, passed: Callable[[], float]) -> None:
    """Whatever happened: no job of ours stays in Slurm."""
    path = f"/jobs/{trial.job['id']}"
    if trial.job["state"] != "finished":
        persistently(lambda: rest.call("DELETE", path))
    deadline = time.monotonic() + TO_END
    while trial.job["state"] != "finished" and time.monotonic() < deadline:
        time.sleep(EVERY)
        _refresh(rest, trial, lambda *_: None)
    told = display.state_of(trial.job)
    tell("ended" if trial.job["state"] == "finished" else "asked to end", passed(), told)


def as_json(trial: Trial, steps: list[dict[str, Any]]) -> Json:
    """For programs."""
    job = trial.job
    return {"job": job["id"], "good": trial.good, "why": trial.why or None, "steps": steps, "log": trial.log or None}
