"""The job's side of the keyhole: asks for ports if any, runs the batch script, reports listeners and its end.

This file travels as text inside the batch script and runs on a compute node as ``python3 -I - SCRIPT ARGUMENTS``;
``keyhole.embedding`` puts it there, and ``listeners`` and ``running`` where their imports stand.  Hence: nothing else
of ours, ASCII, the standard library, Python 3.6 or newer.

What it does it says on stderr.  Its exit code is the script's; without ports, as in sysexits.h: 75 no keyhole gave an
answer in time, 77 the keyhole refused, 78 the surroundings make no sense.
"""

import contextlib
import errno
import functools
import hmac
import http.client
import json
import math
import os
import random
import re
import secrets
import signal
import socket
import ssl
import subprocess
import sys
import time
from hashlib import sha256
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Set, Tuple, TypeVar
from urllib.parse import urlsplit

from keyhole.listeners import Listener, any_address, listeners
from keyhole.running import end, ended, start, tail

CONFIG: Dict[str, Any] = {}  # replaced by keyhole.embedding

EXIT_NO_ANSWER, EXIT_REFUSED, EXIT_CONFIG = 75, 77, 78
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 35.0  # the keyhole itself waits up to 25 s before it says "not yet"
REPORT_SECONDS = 10.0
FAREWELL_SECONDS = 20.0  # Slurm kills 30 s (KillWait) after it has asked to end
LARGEST_ANSWER = 1 << 20
HOST = re.compile(r"[A-Za-z0-9:]([A-Za-z0-9._:-]{0,253}[A-Za-z0-9])?")
NONSENSE = (OSError, http.client.HTTPException, LookupError, TypeError, ValueError, OverflowError, RecursionError)
SKEWED = "/problems/clock-skew"

T = TypeVar("T")
Reply = Dict[str, Any]


# One start of the batch script, and where it runs; a port of this host, and where users find it.
Run = NamedTuple("Run", [("attempt", int), ("restart", int), ("slurm_job_id", int), ("hosts", List[str])])
Forward = NamedTuple("Forward", [("internal_port", int), ("external_host", str), ("external_port", int)])


class Refused(Exception):
    """The keyhole said no, and would say no again."""


class Unanswered(Exception):
    """No keyhole gave a usable answer yet; one may after ``pause`` seconds (None: who knows)."""

    def __init__(self, words: str, pause: Optional[float] = None) -> None:
        super().__init__(words)
        self.pause = pause


@functools.lru_cache(maxsize=64)
def say(words: str) -> None:
    """Tell the reader of the job's log, once."""
    print("keyhole: " + words, file=sys.stderr, flush=True)


def surroundings(config: Mapping[str, Any], environ: Mapping[str, str]) -> Run:
    """Which start of which job this is; raises KeyError or ValueError outside of a Slurm job."""
    return Run(
        attempt=int(config["attempt"]),
        restart=int(environ.get("SLURM_RESTART_COUNT") or 0),
        slurm_job_id=int(environ["SLURM_JOB_ID"]),
        hosts=expand(environ["SLURM_JOB_NODELIST"]),
    )


def expand(nodelist: str) -> List[str]:
    """``n[1-2,04],gpu`` -> ``n1 n2 n04 gpu``, as ``scontrol show hostnames`` does it; several brackets multiply."""
    hosts: List[str] = []
    for name in re.findall(r"(?:[^,\[\]]|\[[^\]]*\])+", nodelist):
        stems = [""]
        for literal, numbers in re.findall(r"([^\[\]]+)|\[([^\]]*)\]", name):
            stems = [stem + part for stem in stems for part in ([literal] if literal else count(numbers))]
        hosts += stems
    return hosts


def count(numbers: str) -> List[str]:
    """``08-10,3`` -> ``08 09 10 3``; raises ValueError on anything else."""
    counted: List[str] = []
    for span in numbers.split(","):
        first, _, last = span.partition("-")
        counted += [str(n).zfill(len(first)) for n in range(int(first), int(last or first) + 1)]
    return counted


class Keyhole:
    """Signed calls to whichever of the keyhole's addresses answers; the one that did is asked first from then on."""

    def __init__(self, config: Mapping[str, Any], run: Run) -> None:
        self.path = "/keyhole/v1/jobs/%s/" % config["job_id"]
        self.key = config["key"].encode("ascii")
        self.secrets = [config["key"], *config["secrets"]]
        self.urls: List[str] = list(config["urls"])
        self.tls = ssl.create_default_context(cadata=config["ca_pem"])
        self.run = run
        self.clock_offset = 0
        self.seq = 0

    def ask(self, ports: int, seconds: float) -> List[Forward]:
        """This run's forwards; the same question gets the same answer, so it may be asked again and again."""
        question = {"slurm_job_id": self.run.slurm_job_id, "hosts": self.run.hosts, "ports": ports}
        return self.call("forwards", question, seconds, lambda reply: read_forwards(reply, ports))

    def report(self, event: str, port: Optional[int] = None, **more: Any) -> None:
        """Say what happened.  Each try has a number of its own: one whose answer was lost may have been stored."""
        self.seq += 1
        message = dict(more, seq=self.seq, event=event, port=port)
        self.call("reports", message, REPORT_SECONDS, lambda _: None)

    def call(self, action: str, message: Reply, seconds: float, read: Callable[[Reply], T]) -> T:
        """Try each address once; raises Refused or Unanswered."""
        body = json.dumps(dict(message, attempt=self.run.attempt, restart=self.run.restart)).encode("ascii")
        troubles: List[str] = []
        pause = None
        for url in list(self.urls):
            try:
                answer = read(self.post(url, self.path + action, body, seconds))
            except Unanswered as unanswered:
                troubles.append("%s: %s" % (url, unanswered))
                pause = unanswered.pause
            except NONSENSE as error:
                troubles.append("%s: %s: %s" % (url, type(error).__name__, error))
            else:
                self.urls.sort(key=lambda other: other != url)
                return answer
        raise Unanswered("; ".join(troubles), pause)

    def post(self, url: str, path: str, body: bytes, seconds: float) -> Reply:
        """One answer of one address.

        A clock that is wrong is corrected once, by the keyhole's; where two replicas behind the address disagree about
        the time, the next try may meet the other one.
        """
        status, pause, reply = self.exchange(url, path, body, seconds)
        if reply.get("type") == SKEWED:
            self.clock_offset = int(reply["server_time"]) - int(time.time())
            say("this host's clock is off by %d s" % -self.clock_offset)
            status, pause, reply = self.exchange(url, path, body, seconds)
        if status in (200, 204):
            return reply
        words = "not yet" if status == 202 else "%d %.1000s" % (status, reply.get("detail"))
        kind = str(reply.get("type"))
        if 400 <= status < 500 and status != 408 and pause is None and "/problems/" in kind and kind != SKEWED:
            raise Refused(words)
        raise Unanswered(words, pause)

    def exchange(self, url: str, path: str, body: bytes, seconds: float) -> Tuple[int, Optional[float], Reply]:
        """Status, Retry-After and content of one POST, signed for this very moment; proxies are not asked."""
        at = urlsplit(url)
        wire = http.client.HTTPConnection(at.netloc, timeout=CONNECT_SECONDS)
        if at.scheme == "https":
            wire = http.client.HTTPSConnection(at.netloc, timeout=CONNECT_SECONDS, context=self.tls)
        with contextlib.closing(wire), within(seconds):
            wire.connect()
            wire.sock.settimeout(seconds)
            wire.request("POST", at.path.rstrip("/") + path, body, self.headers(path, body))
            response = wire.getresponse()
            content = json.loads(response.read(LARGEST_ANSWER).decode("utf-8") or "{}")
        pause = response.getheader("Retry-After")
        return response.status, min(max(0.5, float(pause)), 60.0) if pause else None, dict(content)

    def headers(self, path: str, body: bytes) -> Dict[str, str]:
        """Proof that this attempt speaks, now; see ``keyhole.auth``."""
        timestamp, nonce = str(int(time.time()) + self.clock_offset), secrets.token_hex(16)
        message = "\n".join(("POST", path, timestamp, nonce, sha256(body).hexdigest()))
        return {
            "Content-Type": "application/json",
            "X-Keyhole-Timestamp": timestamp,
            "X-Keyhole-Nonce": nonce,
            "X-Keyhole-Signature": hmac.new(self.key, message.encode("utf-8"), sha256).hexdigest(),
        }


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """End what is inside by a timeout, however slowly bytes drip in."""

    def ring(*_: Any) -> None:
        raise socket.timeout("no whole answer within %g s" % seconds)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def read_forwards(reply: Reply, ports: int) -> List[Forward]:
    """The keyhole's answer, with every value checked, since a shell will read it; raises ValueError and the like."""
    forwards = [
        Forward(
            internal_port=port_number(forward["internal_port"]),
            external_host=host_name(forward["external_host"]),
            external_port=port_number(forward["external_port"]),
        )
        for forward in reply["forwards"]
    ]
    if len(forwards) != ports:
        raise ValueError("%d ports instead of %d" % (len(forwards), ports))
    return forwards


def port_number(value: Any) -> int:
    """An integer from 1 to 65535, or ValueError."""
    if type(value) is not int or not 0 < value < 65536:
        raise ValueError("not a port: %.100r" % (value,))
    return value


def host_name(value: Any) -> str:
    """A host's name or address, or ValueError."""
    if type(value) is not str or not HOST.fullmatch(value):
        raise ValueError("not a host: %.100r" % (value,))
    return value


def pauses() -> Iterator[float]:
    """Seconds to wait before each next try: longer and longer, and never two jobs in step."""
    pause = 0.5
    while True:
        yield pause * random.SystemRandom().uniform(0.75, 1.25)
        pause = min(pause * 2, 10.0)


def obtain(keyhole: Keyhole, ports: int, seconds: float) -> List[Forward]:
    """Forwards whose ports this host can really bind; raises Refused, or Unanswered when ``seconds`` are over.

    A port that was ever found taken is not used although it may be free again: whoever heard of it gives us another.
    """
    deadline = time.monotonic() + seconds
    waits = pauses()
    taken: Set[int] = set()
    told: Set[int] = set()
    while True:
        try:
            forwards = keyhole.ask(ports, max(1.0, min(ANSWER_SECONDS, deadline - time.monotonic())))
            ports_given = {forward.internal_port for forward in forwards}
            taken |= {port for port in ports_given if not can_bind(port)}
            if not taken & ports_given:
                return forwards
            for port in sorted(taken - told):
                keyhole.report("port-taken", port)
                told.add(port)
            trouble = Unanswered("port %s of this host is taken" % ", ".join(map(str, sorted(taken))))
        except Unanswered as unanswered:
            trouble = unanswered
        say(str(trouble))
        wait = next(waits) if trouble.pause is None else trouble.pause
        if time.monotonic() + wait > deadline:
            raise trouble
        time.sleep(wait)


def can_bind(port: int) -> bool:
    """Whether an application could listen on all of this host's addresses.

    SO_REUSEADDR, as servers set it: old connections in TIME_WAIT do not count, a listener does.  It does not listen
    itself, so two starts that try the same port at the same moment do not take each other for a stranger.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                trial.bind(("", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False  # anything else: this host does not speak IPv6
    return True


def environment(forwards: Iterable[Forward], environ: Mapping[str, str], run: str) -> Dict[str, str]:
    """The script's environment.

    Without SLURM_EXPORT_ENV: sbatch's ``--export=NONE`` leaves it behind, and srun would obey it and keep the ports
    from its tasks (srun(1), ``--export``).  ``BWVISU_RUN`` tells the script that it runs below the client.
    """
    found = {name: value for name, value in environ.items() if name != "SLURM_EXPORT_ENV"}
    for i, forward in enumerate(forwards):
        found["KEYHOLE_PORT%d" % i] = str(forward.internal_port)
        found["KEYHOLE_GATEWAY%d" % i] = forward.external_host
        found["KEYHOLE_EXTERNAL_PORT%d" % i] = str(forward.external_port)
    return dict(found, KEYHOLE_ADDRESS=any_address(), BWVISU_RUN=run)


def watch(keyhole: Keyhole, ports: Set[int], script: "subprocess.Popen[bytes]", patience: float) -> None:
    """Until the script ends: report its start, each new listener, each port that another user has taken.

    Where not all ports are listened on after ``patience`` seconds, the end of the log is reported as well, once.
    """
    told: Dict[Optional[int], str] = {}
    waits, due, late = pauses(), 0.0, time.monotonic() + patience
    while True:
        if time.monotonic() >= due:
            try:
                tell(keyhole, dict(events(listeners(), ports, os.getuid())), told)
                if not ports:
                    return  # nothing more is to be told of it before its end
                if time.monotonic() >= late and any(told.get(port) != "listening" for port in ports):
                    keyhole.report("started", log_tail=tail(keyhole.secrets))
                    late = math.inf
                waits, pause = pauses(), 1.0 + keyhole.seq // 20  # a flapping listener must not use up all reports
            except (Unanswered, OSError) as trouble:
                say("report not delivered: %s" % trouble)
                pause = getattr(trouble, "pause", None) or next(waits)
            due = time.monotonic() + pause
        if ended(script, 1.0):
            return


def farewell(keyhole: Keyhole, code: int) -> None:
    """Report the script's end: its exit code, or the signal that ended it as a negative number, and its last words."""
    deadline = time.monotonic() + FAREWELL_SECONDS
    last_words = tail(keyhole.secrets)
    for pause in pauses():
        try:
            keyhole.report("exited", exit_code=code, log_tail=last_words)
        except (Unanswered, OSError) as trouble:
            say("report not delivered: %s" % trouble)
        except Refused:
            return
        else:
            return
        if time.monotonic() + pause > deadline:
            return
        time.sleep(pause)


def tell(keyhole: Keyhole, seen: Dict[Optional[int], str], told: Dict[Optional[int], str]) -> None:
    """Report what is seen and not told yet; forget what is gone, so that it is told when it comes back."""
    for gone in set(told) - set(seen):
        del told[gone]
    for port, event in seen.items():
        if told.get(port) != event:
            keyhole.report(event, port)
            told[port] = event


def events(found: List[Listener], ports: Set[int], uid: int) -> Iterator[Tuple[Optional[int], str]]:
    """What there is to say about each port.  A listener that only this host can reach serves no user."""
    yield None, "started"
    for port in sorted(ports):
        here = [listener for listener in found if listener.port == port]
        reachable = [listener for listener in here if not listener.loopback]
        if any(listener.uid != uid for listener in reachable or here):
            yield port, "port-taken"
        elif reachable:
            yield port, "listening"


def main(argv: List[str]) -> int:
    """Obtain the ports, run the script with them, report how it ends; answers its exit code."""
    try:
        run = surroundings(CONFIG, os.environ)
        keyhole = Keyhole(CONFIG, run)
        forwards = obtain(keyhole, CONFIG["ports"], CONFIG["deadline"]) if CONFIG["ports"] else []
        script = start(argv, environment(forwards, os.environ, "%d.%d" % (run.slurm_job_id, run.restart)))
    except Refused as refused:
        return without_ports(EXIT_REFUSED, "the keyhole refused", refused)
    except Unanswered as unanswered:
        return without_ports(EXIT_NO_ANSWER, "the keyhole did not answer in time", unanswered)
    except (OSError, KeyError, ValueError) as error:
        return without_ports(EXIT_CONFIG, "the keyhole client cannot run here", error)
    with contextlib.suppress(Refused):
        watch(keyhole, {forward.internal_port for forward in forwards}, script, CONFIG["start_timeout"])
    code = script.wait()
    farewell(keyhole, code)
    return code


def without_ports(code: int, words: str, error: Exception) -> int:
    """Say why the script does not run; answers the exit code."""
    say("%s: %s" % (type(error).__name__, error))
    print("bwVisu: this job got no ports and ends: %s (exit code %d)" % (words, code), file=sys.stderr, flush=True)
    return code


if __name__ == "__main__":
    end(main(sys.argv[1:]))
