"""The client's decisions: whom the job runs on, what may reach a shell, who listens."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhole import client
from keyhole.client import (
    Forward,
    Keyhole,
    Refused,
    Run,
    Unanswered,
    can_bind,
    environment,
    events,
    expand,
    obtain,
    pauses,
    read_forwards,
    surroundings,
    tell,
    watch,
    within,
)
from keyhole.listeners import (
    ANY_IPV4,
    Listener,
    any_address,
    ask_kernel,
    listeners,
    read_dump,
    read_listeners,
    read_tables,
)
from tests.support.waiting import free_port

FORWARD = {"internal_port": 50001, "external_host": "gw1.example.org", "external_port": 40001, "gateway": "gw1"}
CONFIG = {
    "attempt": 2,
    "job_id": "j1",
    "key": "0" * 64,
    "urls": ["http://a", "http://b"],
    "ca_pem": None,
    "secrets": [],
}
TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:C351 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0 100 0 0 10 0
   1: 00000000:C352 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 0100000A:C353 0200000A:1234 01 00000000:00000000 00:00000000 00000000  1000        0 4713 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 1 1 0
   1: 0000000000000000FFFF00000100007F:0051 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 1 1 0
   2: 00000000000000000000000000000000:0052 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 1 1 0
   3: B80D0120000000000000000000000000:0053 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 1 1 0
"""


@pytest.mark.parametrize(
    ("nodelist", "hosts"),
    [
        ("node1", "node1"),
        ("n[1-2,04],gpu", "n1 n2 n04 gpu"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("r[1-2]n[1,3]-ib0,login", "r1n1-ib0 r1n3-ib0 r2n1-ib0 r2n3-ib0 login"),
    ],
)
def test_a_node_list_becomes_names(nodelist: str, hosts: str) -> None:
    assert expand(nodelist) == hosts.split()


def test_a_requeued_start_is_seen() -> None:
    environ = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NODELIST": "n[1-2]"}
    assert surroundings(CONFIG, environ) == Run(2, 0, 4711, ["n1", "n2"])
    assert surroundings(CONFIG, environ | {"SLURM_RESTART_COUNT": "3"}).restart == 3


@pytest.mark.parametrize("environ", [{}, {"SLURM_JOB_ID": "x", "SLURM_JOB_NODELIST": "n1"}, {"SLURM_JOB_ID": "1"}])
def test_outside_of_a_job_there_is_no_run(environ: dict[str, str]) -> None:
    with pytest.raises((KeyError, ValueError)):
        surroundings(CONFIG, environ)


@given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
@pytest.mark.parametrize("name", ["internal_port", "external_port", "external_host"])
def test_only_ports_and_host_names_reach_the_shell(name: str, value: Any) -> None:
    try:
        forwards = read_forwards({"forwards": [FORWARD | {name: value}]}, 1)
    except ValueError:
        return
    words = environment(forwards, {}, "1.0").values()
    assert not set("".join(words)) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-")


@pytest.mark.parametrize("host", ["$(id)", "a b", "a;b", "-x", "a\n", "", "a'", "`id`", "ä.example", "x" * 300])
def test_a_hostile_host_is_no_host(host: str) -> None:
    with pytest.raises(ValueError, match="not a host"):
        read_forwards({"forwards": [FORWARD | {"external_host": host}]}, 1)


@pytest.mark.parametrize("host", ["gw1", "gw-1.example.org", "192.0.2.1", "2001:db8::1", "::1", "01jd.gw.example"])
def test_names_and_addresses_are_hosts(host: str) -> None:
    forwards = read_forwards({"forwards": [FORWARD | {"external_host": host}]}, 1)
    assert environment(forwards, {"HOME": "/home/alice", "SLURM_EXPORT_ENV": "NONE"}, "4711.0") == {
        "HOME": "/home/alice",
        "KEYHOLE_PORT0": "50001",
        "KEYHOLE_GATEWAY0": host,
        "KEYHOLE_EXTERNAL_PORT0": "40001",
        "KEYHOLE_ADDRESS": any_address(),
        "BWVISU_RUN": "4711.0",
    }


def test_a_server_listens_on_both_families_where_its_host_speaks_both() -> None:
    """In networks of their own: one whose interface is up and has ::1, one that speaks nothing yet."""
    tell = f"{sys.executable} -c 'from keyhole.listeners import any_address; print(any_address())'"
    script = f"{tell} && ip link set lo up && {tell}"
    told = subprocess.run(["unshare", "--net", "sh", "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.split() == [ANY_IPV4, "::"]


def test_another_number_of_ports_is_no_answer() -> None:
    with pytest.raises(ValueError, match="1 ports instead of 2"):
        read_forwards({"forwards": [FORWARD]}, 2)


def test_listeners_are_read_from_the_kernels_tables() -> None:
    assert read_listeners(TCP) == [Listener(50001, 1000, True), Listener(50002, 0, False)]
    assert read_listeners(TCP6) == [
        Listener(0x50, 1000, True),
        Listener(0x51, 1000, True),
        Listener(0x52, 1000, False),
        Listener(0x53, 1000, False),
    ]


def answer(kind: int, *, family: int = socket.AF_INET, port: int = 0, address: bytes = b"", uid: int = 0) -> bytes:
    """A message of the kernel: nlmsghdr and inet_diag_msg of linux/netlink.h and linux/inet_diag.h."""
    body = struct.pack(">BBBBHH16s16s12x12x", family, 10, 0, 0, port, 0, address, b"") + struct.pack("=II", uid, 4711)
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 0, 0) + body


@pytest.mark.parametrize(
    ("family", "address", "loopback"),
    [
        (socket.AF_INET, "127.77.1.2", True),
        (socket.AF_INET, "0.0.0.0", False),  # noqa: S104
        (socket.AF_INET, "10.0.0.127", False),
        (socket.AF_INET6, "::1", True),
        (socket.AF_INET6, "::ffff:127.0.0.10", True),
        (socket.AF_INET6, "::ffff:10.0.0.10", False),
        (socket.AF_INET6, "::", False),
        (socket.AF_INET6, "2001:db8::1", False),
    ],
)
def test_listeners_are_read_from_the_kernels_answer(family: int, address: str, loopback: bool) -> None:
    message = answer(20, family=family, port=50001, address=socket.inet_pton(family, address), uid=20001)
    assert read_dump(message) == ([Listener(50001, 20001, loopback)], True)
    assert read_dump(message + message + answer(3) + message) == ([Listener(50001, 20001, loopback)] * 2, False)


@pytest.mark.parametrize("message", [answer(2), answer(20)[:-8], struct.pack("=IHHII", 16, 20, 2, 0, 0)])
def test_a_kernel_that_refuses_or_says_half_has_told_nothing(message: bytes) -> None:
    with pytest.raises(OSError, match="does not tell"):
        read_dump(message)


def test_the_kernel_tells_the_same_as_its_tables() -> None:
    """Listeners of other processes may come and go between the two looks."""
    with (
        socket.create_server(("127.0.0.1", 0)) as own,
        socket.create_server(("::", 0), family=socket.AF_INET6) as all_hosts,
    ):
        wanted = [
            Listener(own.getsockname()[1], os.getuid(), True),
            Listener(all_hosts.getsockname()[1], os.getuid(), False),
        ]
        asked = ask_kernel(socket.AF_INET) + ask_kernel(socket.AF_INET6)
        for found in (asked, read_tables(), listeners()):
            assert [each for each in found if each in wanted] == wanted


def test_where_the_kernel_cannot_be_asked_its_tables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        monkeypatch.setattr("keyhole.listeners.NETLINK_SOCK_DIAG", 31)  # no such protocol
        with pytest.raises(OSError, match="not supported"):
            ask_kernel(socket.AF_INET)
        assert Listener(own.getsockname()[1], os.getuid(), True) in listeners()


@pytest.mark.parametrize(
    ("found", "event"),
    [
        ([], None),
        ([Listener(1, 7, False)], "listening"),
        ([Listener(1, 8, False)], "port-taken"),
        ([Listener(1, 7, True)], None),
        ([Listener(1, 8, True)], "port-taken"),
        ([Listener(1, 7, False), Listener(1, 7, True)], "listening"),
        ([Listener(1, 7, False), Listener(1, 8, False)], "port-taken"),
        ([Listener(2, 8, False)], None),
    ],
)
def test_what_there_is_to_say_of_a_port(found: list[Listener], event: str | None) -> None:
    assert dict(events(found, {1}, uid=7)) == {None: "started"} | ({1: event} if event else {})


class Deaf(Keyhole):
    """Collects reports; every second one is lost on the way."""

    def __init__(self) -> None:
        super().__init__(CONFIG, Run(2, 0, 1, []))
        self.heard: list[tuple[int, str, int | None]] = []

    def call(self, _action: str, message: Any, *_: Any) -> Any:
        if message["seq"] % 2:
            raise Unanswered("lost")
        self.heard.append((message["seq"], message["event"], message["port"]))


def test_a_lost_report_is_told_again_under_a_new_number_and_nothing_is_told_twice() -> None:
    keyhole, told = Deaf(), dict[int | None, str]()
    there: dict[int | None, str] = {1: "listening"}
    for seen in (there, there, there, {}, there, there):
        try:
            tell(keyhole, seen, told)
        except Unanswered:
            assert 1 not in told
    assert keyhole.heard == [(2, "listening", 1), (4, "listening", 1)]


def test_pauses_grow_to_a_bound_and_are_never_in_step() -> None:
    first, second = (list(islice(pauses(), 12)) for _ in range(2))
    assert first != second
    assert first[0] < 1 < first[4] < 12.5
    assert max(first) <= 12.5


class Answering(Keyhole):
    """A keyhole whose addresses answer what the test says."""

    def __init__(self, **answers: Any) -> None:
        super().__init__(CONFIG, Run(2, 0, 1, ["n1"]))
        self.answers = answers
        self.asked: list[str] = []

    def exchange(self, url: str, *_: Any) -> Any:
        self.asked.append(url[-1])
        answer = self.answers[url[-1]]
        if isinstance(answer, Exception):
            raise answer
        return answer


OK = (200, None, {"forwards": [FORWARD]})


@pytest.mark.parametrize(
    "bad",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        (200, None, {"forwards": [FORWARD | {"internal_port": "$(reboot)"}]}),
        (200, None, {}),
        (200, None, {"forwards": None}),
        (503, 2.0, {"type": "/problems/unavailable", "detail": "…"}),
        (404, None, {"detail": "some other service"}),
        (401, None, {"type": "/problems/clock-skew", "server_time": None}),
        (401, None, {"type": "/problems/clock-skew", "server_time": 1}),
        (401, None, {"type": "/problems/clock-skew", "server_time": float("inf")}),
    ],
)
def test_the_next_address_is_asked_and_remembered(bad: Any) -> None:
    keyhole = Answering(a=bad, b=OK)
    for _ in range(2):
        assert keyhole.ask(1, 1.0) == [Forward(50001, "gw1.example.org", 40001)]
    assert keyhole.asked[-2:] == ["b", "b"]
    assert keyhole.asked.count("b") == 2


class Replacing(Keyhole):
    """Gives ``first`` until somebody has reported it as taken, and for one answer more; then ``second``."""

    def __init__(self, holder: socket.socket, first: int, second: int) -> None:
        super().__init__(CONFIG, Run(2, 0, 1, ["n1"]))
        self.holder, self.answers, self.told = holder, [first, first, second], list[int | None]()

    def ask(self, *_: Any) -> list[Forward]:
        return [Forward(self.answers.pop(0), "gw1.example.org", 40001)]

    def report(self, event: str, port: int | None = None, **more: Any) -> None:
        assert (event, more) == ("port-taken", {})
        self.told.append(port)
        self.holder.close()


def test_fault_25_a_port_that_was_reported_as_taken_is_not_used_though_it_is_free_again() -> None:
    """The leader moves the forward elsewhere: a job on the old port would never be reached (found by simulation)."""
    holder = socket.create_server(("127.0.0.1", 0))
    first, second = holder.getsockname()[1], free_port()
    keyhole = Replacing(holder, first, second)
    assert [forward.internal_port for forward in obtain(keyhole, 1, 20.0)] == [second]
    assert keyhole.told == [first]


@pytest.mark.parametrize("status", [400, 401, 403, 409, 413, 422])
def test_a_no_of_the_keyhole_is_final(status: int) -> None:
    keyhole = Answering(a=(status, None, {"type": "/problems/x", "detail": "no"}), b=OK)
    with pytest.raises(Refused, match=f"{status} no"):
        keyhole.ask(1, 1.0)


@pytest.mark.parametrize("status", [202, 408, 429, 503])
def test_a_not_yet_says_when(status: int) -> None:
    keyhole = Answering(a=(status, 3.0, {}), b=(status, 3.0, {}))
    with pytest.raises(Unanswered) as caught:
        keyhole.ask(1, 1.0)
    assert caught.value.pause == 3.0


def test_an_answer_that_drips_is_cut() -> None:
    begin = time.monotonic()
    silent, mute = socket.socketpair()
    with silent, mute, pytest.raises(TimeoutError), within(0.1):
        silent.recv(1)
    assert time.monotonic() - begin < 5
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_any_listener_takes_a_port_and_a_trial_does_not(family: int, address: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not can_bind(port)
    assert can_bind(port)
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(("", port))
        assert can_bind(port)


def test_a_connection_in_time_wait_does_not_take_a_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listener.accept()[0] as served:
            served.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
    assert can_bind(port)


class Hearing(Keyhole):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__(CONFIG, Run(2, 0, 4711, ["n1"]))
        self.told: list[tuple[str, int | None, dict[str, Any]]] = []

    def report(self, event: str, port: int | None = None, **more: Any) -> None:
        self.told.append((event, port, more))


@pytest.mark.parametrize("listening", [True, False])
def test_the_log_is_told_only_where_nobody_listens_in_time(monkeypatch: pytest.MonkeyPatch, listening: bool) -> None:
    """Patience of no time at all: it is over at the very first look."""
    seen = [Listener(50001, os.getuid(), False)] if listening else []
    monkeypatch.setattr(client, "listeners", lambda: seen)
    monkeypatch.setattr(client, "tail", lambda secrets: f"last words without {secrets}")
    monkeypatch.setattr(client, "ended", lambda *_: True)
    keyhole = Hearing()
    watch(keyhole, {50001}, None, 0.0)  # type: ignore[arg-type]  # nobody asks for the process here
    first, *more = keyhole.told
    assert first == ("started", None, {})
    late = ("started", None, {"log_tail": f"last words without {keyhole.secrets}"})
    assert more == [("listening", 50001, {}) if listening else late]
