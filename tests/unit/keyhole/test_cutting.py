"""Connections are cut by the text that runs on gateways, however many there are; conntrack alone is played."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from keyhole.domain import Fence
from keyhole.gateway import Guard, Loaded, Uncut, load, read_load
from keyhole.interfaces import Answer
from keyhole.nat.model import Target
from tests.support.keyhole import GATEWAY

CONNTRACK = """\
#!/bin/sh
case "$*" in
*-L*) cat "$HOME/flows" ;;
*-D*) echo "$*" >>"$HOME/deleted"; exit "${DELETES:-0}" ;;
esac
"""
MANY = 10_000


def _flow(client: str, port: int, node: str, state: str) -> str:
    there = f"src={client} dst=203.0.113.1 sport=40000 dport={port}"
    return f"tcp      6 58 {state} {there} src={node} dst=10.77.1.1 sport=8888 dport=40000 mark=0 use=1\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A gateway's home with commands, 10,000 half-open connections, and one that must end."""
    for name, text in {"conntrack": CONNTRACK, "nft": "#!/bin/sh\ncat >/dev/null\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    flood = (_flow(f"198.51.{i // 250}.{i % 250}", 50000, "10.77.1.4", "SYN_RECV") for i in range(MANY))
    alive = _flow("192.0.2.7", 50003, "10.77.1.5", "ESTABLISHED [ASSURED]")
    (tmp_path / "flows").write_text("".join([*flood, alive]))
    return tmp_path


def _cut(home: Path, cuts: list[tuple[int, str, Target]], more: Mapping[str, str] | None = None) -> Answer:
    call = load(Guard(GATEWAY, "abc123", Fence(1, 1)), "nftables", "add table ip x\n", cuts)
    variables = {"HOME": str(home), "PATH": f"{home}:{os.environ['PATH']}", **(more or {})}
    done = subprocess.run(
        ["/bin/sh", "-c", call.script, "sh", *call.args],
        input=call.stdin,
        capture_output=True,
        env=variables,
        timeout=60,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def test_one_of_many_is_cut(home: Path) -> None:
    ended, closed = Target("10.77.1.5", 8888), Target("10.77.1.6", 8888)
    cuts = [(50003, "*", ended), (50003, "192.0.2.7", ended), (50003, "192.0.2.8", ended), (50004, "*", closed)]
    assert read_load(_cut(home, cuts)) == Loaded()
    ours = "-f ipv4 -D -p tcp --orig-port-dst 50003 --reply-src 10.77.1.5 --reply-port-src 8888"
    assert (home / "deleted").read_text().splitlines() == [ours, f"{ours} --orig-src 192.0.2.7"]


def test_many_may_be_named_of_which_none_lives(home: Path) -> None:
    cuts = [(port, "*", Target("10.77.1.9", 8888)) for port in range(50000, 50000 + MANY)]
    assert read_load(_cut(home, cuts)) == Loaded()
    assert not (home / "deleted").exists()


def test_what_ended_by_itself_was_cut(home: Path) -> None:
    assert read_load(_cut(home, [(50003, "*", Target("10.77.1.5", 8888))], {"DELETES": "1"})) == Loaded()


@pytest.mark.parametrize("broken", ["conntrack", "sort", "sed", "uniq"])
def test_a_tool_that_fails_has_cut_nothing(home: Path, broken: str) -> None:
    (home / broken).write_text("#!/bin/sh\nexit 2\n")
    (home / broken).chmod(0o755)
    cuts = [(50003, "*", Target("10.77.1.5", 8888))]
    assert isinstance(read_load(_cut(home, cuts)), Uncut)


def test_a_deletion_that_fails_has_cut_nothing(home: Path) -> None:
    cuts = [(50003, "*", Target("10.77.1.5", 8888))]
    assert isinstance(read_load(_cut(home, cuts, {"DELETES": "2"})), Uncut)
