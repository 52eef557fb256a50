"""Bodies that are too long or too slow, on a real socket: answered early, never kept."""

import asyncio
import json
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from keyhole.api import Limits
from tests.support.keyhole_api import JOB, MemoryLedger, app, serving, signed

PATH = f"/keyhole/v1/jobs/{JOB}/forwards"
TEN_MEGABYTES = 10 * 1024 * 1024


@contextmanager
def listening(body_seconds: float) -> Iterator[int]:
    """The port of an API that waits for so long for a body."""
    with serving(app(MemoryLedger(), Limits(body_seconds=body_seconds, answer_seconds=0))) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture
def port() -> Iterator[int]:
    """Patient: what is refused here is refused for what it is, however slowly it comes."""
    with listening(60) as port:
        yield port


@contextmanager
def sending(port: int, *headers: str) -> Iterator[socket.socket]:
    """A request whose headers have been sent, signed for some body or other."""
    lines = [f"POST {PATH} HTTP/1.1", "Host: keyhole", *headers]
    lines += [f"{name}: {value}" for name, value in signed(PATH, b"").items()]
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as wire:
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        yield wire


def answer(wire: socket.socket) -> tuple[int, str]:
    """Status and kind of the one answer."""
    head, _, body = wire.recv(65_536).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body or wire.recv(65_536))["type"]


def test_fault_17_ten_megabytes_are_refused_and_not_kept(port: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with sending(port, f"Content-Length: {TEN_MEGABYTES}") as wire:
        wire.sendall(bytes(TEN_MEGABYTES))
        assert answer(wire) == (413, "/problems/body-too-large")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < TEN_MEGABYTES + 4 * 1024 * 1024  # the ten megabytes of the sender, in this very process


def test_a_body_without_end_is_refused_at_the_limit(port: int) -> None:
    with sending(port, "Transfer-Encoding: chunked") as wire:
        for _ in range(5):
            wire.sendall(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        assert answer(wire) == (413, "/problems/body-too-large")


def test_fault_17_a_body_that_drips_is_given_up() -> None:
    begin = time.monotonic()
    with listening(0.5) as port, sending(port, "Content-Length: 100") as wire:
        wire.sendall(b"{")
        assert answer(wire) == (408, "/problems/slow-body")
        assert time.monotonic() - begin < 5
        assert wire.recv(1) == b""


async def test_who_does_not_sign_is_refused_before_the_body_is_read(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {PATH} HTTP/1.1\r\nHost: keyhole\r\nContent-Length: 1000\r\n\r\n".encode())
    assert b" 401 " in await asyncio.wait_for(reader.readline(), 20)
    writer.close()
