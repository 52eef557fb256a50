"""What a test job runs on its compute node: it looks around, tells what it saw, and answers whoever connects.

This file travels as text inside the batch script (`bwvisu.doctor.batch`), as ``python3 -I -``.  Hence: nothing of
ours, ASCII, the standard library, Python 3.6 or newer.  It tells by the comment of its own Slurm job, the one thing
that a command node can read of a job whose files belong to somebody else.
"""

import base64
import http.client
import json
import os
import random
import socket
import ssl
import subprocess
import sys
import time
from typing import Any, Dict, List, Tuple
from urllib.parse import urlsplit

CONFIG: Dict[str, Any] = {}  # replaced by bwvisu.doctor.batch

CONNECT_SECONDS = 5.0
WORDS = 70  # of an error; Slurm refuses a comment of more than about a thousand bytes


def keyhole(url: str, trust: ssl.SSLContext) -> str:
    """How far one gets with an address of the keyhole: empty where it answers, else ``step: why``."""
    at = urlsplit(url)
    host, port = at.hostname or "", at.port or (443 if at.scheme == "https" else 80)
    try:
        socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        return "name: %s" % error
    try:
        socket.create_connection((host, port), CONNECT_SECONDS).close()
    except OSError as error:
        return "connect: %s" % error
    if at.scheme == "https":
        wire = http.client.HTTPSConnection(at.netloc, timeout=CONNECT_SECONDS, context=trust)
    else:
        wire = http.client.HTTPConnection(at.netloc, timeout=CONNECT_SECONDS)  # type: ignore[assignment]
    try:
        wire.request("GET", at.path.rstrip("/") + "/livez")
        status = wire.getresponse().status
    except (ssl.SSLError, ssl.CertificateError) as error:
        return "tls: %s" % error
    except (OSError, http.client.HTTPException) as error:
        return "answer: %s %s" % (type(error).__name__, error)
    finally:
        wire.close()
    return "" if status == 200 else "answer: status %d" % status


def listen(first: int, last: int) -> Tuple[List[socket.socket], int]:
    """Sockets at one port of the range, for both families where the node has both; port 0: none was free."""
    for port in random.SystemRandom().sample(range(first, last + 1), min(20, last - first + 1)):
        sockets: List[socket.socket] = []
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                one = socket.socket(family, socket.SOCK_STREAM)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind(("", port))
                one.listen(16)
            except OSError:
                continue
            sockets.append(one)
        if sockets:
            return sockets, port
    return [], 0


def read(path: str) -> str:
    """A file's text, or nothing."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def seen(log_was_there: bool, port: int) -> Dict[str, Any]:
    """What there is to tell; short keys, since there is little room."""
    kernel = "/proc/sys/net/ipv4/ip_local_"
    trust = ssl.create_default_context(cadata=CONFIG["ca_pem"])
    tried = {str(number): keyhole(url, trust)[:WORDS] for number, url in enumerate(CONFIG["urls"])}
    return {
        "node": os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "clock": int(time.time()),
        "home": os.path.realpath(os.getcwd()) == os.path.realpath(CONFIG["home"]) and os.access(".", os.W_OK),
        "log": log_was_there,
        "span": read(kernel + "port_range"),
        "kept": read(kernel + "reserved_ports")[:100],
        "port": port,
        "keyhole": {number: words for number, words in tried.items() if words},
    }


def tell(report: Dict[str, Any]) -> None:
    """Into the job's comment."""
    text = base64.urlsafe_b64encode(json.dumps(report, separators=(",", ":")).encode("ascii")).decode("ascii")
    job = "JobId=%s" % os.environ["SLURM_JOB_ID"]
    subprocess.call(["scontrol", "update", job, "Comment=%s%s" % (CONFIG["mark"], text)])


def serve(sockets: List[socket.socket], until: float) -> None:
    """Say the greeting to everybody who connects."""
    for one in sockets:
        one.settimeout(0.2)
    while time.time() < until:
        for one in sockets:
            try:
                guest, _ = one.accept()
                guest.settimeout(2.0)
                guest.sendall(CONFIG["greeting"].encode("ascii") + b"\n")
                guest.close()
            except OSError:
                continue


def main() -> None:
    """All of it."""
    until = time.time() + CONFIG["seconds"]
    sockets, port = listen(*CONFIG["range"])
    tell(seen(sys.argv[1] == "yes", port))
    serve(sockets, until)
    time.sleep(max(0.0, until - time.time()))


if __name__ == "__main__":
    main()
