"""Who listens on this host: a part of the job's side of the keyhole, and its text travels with that of ``client``.

Hence: ASCII, the standard library, Python 3.6 or newer, and no name that ``client`` uses for something else.
"""
# ruff: noqa: PTH123, UP006, UP014, UP035

import contextlib
import re
import socket
import struct
from typing import List, NamedTuple, Tuple

ANY_IPV4 = "0.0.0.0"  # noqa: S104 (the gateway comes from outside)
LISTEN = 10  # TCP_LISTEN of Linux' net/tcp_states.h
LOOPBACK = re.compile(r".{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F")  # as a little-endian kernel prints addresses
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLMSG_DONE, NLM_F_REQUEST_DUMP = 4, 20, 3, 0x301  # linux/netlink.h
DIAG_REQUEST = struct.Struct("=IHHIIBBBxI48x")  # nlmsghdr, then inet_diag_req_v2: family, protocol, extensions, states
DIAG_ANSWER = struct.Struct("=16xB3x2s2x16s40xI4x")  # nlmsghdr, then inet_diag_msg: family, port, address, uid
LOOPBACK_BYTES = {
    int(socket.AF_INET): re.compile(rb"\x7f.{15}", re.DOTALL),
    int(socket.AF_INET6): re.compile(rb"\0{15}\x01|\0{10}\xff\xff\x7f.{3}", re.DOTALL),
}

Listener = NamedTuple("Listener", [("port", int), ("uid", int), ("loopback", bool)])


def any_address() -> str:
    """Where a server is reached over each address family that this host speaks: ``::`` stands for both."""
    try:
        with open("/proc/net/if_inet6") as interfaces:
            return "::" if interfaces.read(1) else ANY_IPV4
    except OSError:  # a kernel without IPv6
        return ANY_IPV4


def listeners() -> List[Listener]:
    """All TCP listeners of this host, or OSError: who cannot look has not seen that there are none.

    The kernel is asked for listeners only: reading /proc/net/tcp costs a hundred times as much, since the kernel then
    walks through its table of all possible connections (10 ms on a small host), and each job looks every second.
    """
    try:
        return ask_kernel(socket.AF_INET) + ask_kernel(socket.AF_INET6)
    except OSError:  # a kernel without tcp_diag
        return read_tables()


def ask_kernel(family: int) -> List[Listener]:
    """One address family's listeners, as ``ss`` gets them: sock_diag(7).  Raises OSError."""
    found: List[Listener] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG) as wire:
        head = (DIAG_REQUEST.size, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST_DUMP, 0, 0)
        wire.send(DIAG_REQUEST.pack(*head, family, socket.IPPROTO_TCP, 0, 1 << LISTEN))
        more = True
        while more:
            messages, more = read_dump(wire.recv(1 << 16))
            found += messages
    return found


def read_dump(messages: bytes) -> Tuple[List[Listener], bool]:
    """The listeners in a part of the kernel's answer, and whether more parts follow; raises OSError for a refusal."""
    found: List[Listener] = []
    while len(messages) >= 16:
        size, kind = struct.unpack_from("=IH", messages)
        if kind == NLMSG_DONE:
            return found, False
        if kind != SOCK_DIAG_BY_FAMILY or not DIAG_ANSWER.size <= size <= len(messages):
            raise OSError("the kernel does not tell who listens")
        family, port, address, uid = DIAG_ANSWER.unpack_from(messages)
        loopback = LOOPBACK_BYTES[family].fullmatch(address) is not None
        found.append(Listener(int.from_bytes(port, "big"), uid, loopback))
        messages = messages[(size + 3) & ~3 :]
    return found, True


def read_tables() -> List[Listener]:
    """The same from the tables that every Linux has."""
    found: List[Listener] = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table) as lines:
            found += read_listeners(lines.read())
    return found


def read_listeners(table: str) -> List[Listener]:
    """The listeners in the text of /proc/net/tcp or tcp6; its form is in proc(5)."""
    found = []
    for fields in map(str.split, table.splitlines()[1:]):
        address, _, port = fields[1].rpartition(":")
        if int(fields[3], 16) == LISTEN:
            found.append(Listener(int(port, 16), int(fields[7]), bool(LOOPBACK.fullmatch(address))))
    return found
