"""Real etcd for tests: one or three members on loopback, with or without TLS and password.

The members are processes that a test may kill, stop and start again.  Everything lies in one temporary
directory and is gone at the end.
"""

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

from bwvisu.adapters.etcd import EtcdTls
from tests.support.waiting import free_port, until

ROOT_PASSWORD = "correct horse"


class Member:
    """One etcd process."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self.client_port, self.peer_port = free_port(), free_port()
        self.argv: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """``host:port`` for clients."""
        return f"127.0.0.1:{self.client_port}"

    @property
    def log(self) -> Path:
        """Where the process writes what it does."""
        return self.folder / f"{self.name}.log"

    def start(self) -> None:
        """Start, or start again on the same data."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.argv, stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """End it with SIGKILL, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Freeze it: it keeps its connections and does nothing from now on."""
        self._signal(signal.SIGSTOP)
        until(self._frozen, what="every thread has stopped")

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Kill and start."""
        self.kill()
        self.start()

    def ensure_running(self) -> None:
        """Undo whatever was done to it."""
        if self._process is None:
            self.start()
        self.resume()

    def lose_data(self) -> None:
        """Forget everything, as a database restored from an old backup has; to be called while it is killed."""
        shutil.rmtree(self.folder / self.name)

    def _frozen(self) -> bool:
        assert self._process is not None
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, f"etcd {self.name} does not run"
        self._process.send_signal(number)


class EtcdCluster:
    """Members that form one etcd; a context manager that leaves nothing behind."""

    def __init__(
        self, members: int = 1, *, tls: bool = False, password: str | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bwv-etcd-"))
        self.password = password
        self._guarded = False  # authentication is enabled
        self.tls = make_certificates(self.folder) if tls else None
        self.members = [Member(f"m{number}", self.folder) for number in range(members)]
        for member in self.members:
            member.argv = self._argv(member, options)

    @property
    def endpoints(self) -> list[str]:
        """All members' addresses."""
        return [member.endpoint for member in self.members]

    def __enter__(self) -> Self:
        for member in self.members:
            member.start()
        try:
            self.wait_healthy()
            if self.password is not None:
                self._enable_authentication(self.password)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all members and remove their data."""
        for member in self.members:
            member.kill()
        shutil.rmtree(self.folder)

    def wait_healthy(self, seconds: float = 60) -> None:
        """Wait until every member answers with the consent of the majority."""
        until(lambda: self._ctl("endpoint", "health").returncode == 0, seconds, "etcd is healthy")

    def ctl(self, *argv: str) -> str:
        """Run etcdctl as root and return what it prints."""
        done = self._ctl(*argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def restore(self, backup: Path) -> None:
        """Give a lone member, which is killed and without data, those of a backup."""
        (member,) = self.members
        peer = f"http://127.0.0.1:{member.peer_port}"
        argv = ["snapshot", "restore", str(backup), "--name", member.name, "--initial-cluster", f"{member.name}={peer}"]
        argv += ["--initial-cluster-token", self.folder.name, "--initial-advertise-peer-urls", peer]
        done = self._ctl(*argv, "--data-dir", str(self.folder / member.name))
        assert done.returncode == 0, done.stderr

    def compact(self, revision: int) -> None:
        """Forget all history before ``revision``; it is gone from the disk too when this returns."""
        self.ctl("compact", "--physical", str(revision))

    def raise_alarm(self) -> None:
        """Make a lone member without TLS take its disk for full (alarm NOSPACE), by etcd's JSON gateway."""
        status = self._gateway("status", {})
        alarm = {"action": "ACTIVATE", "memberID": status["header"]["member_id"], "alarm": "NOSPACE"}
        self._gateway("alarm", alarm)

    def clear_alarms(self) -> None:
        """Let everything be written again."""
        self.ctl("alarm", "disarm")

    def leader(self) -> Member:
        """The member that leads at the moment."""
        for member in self.members:
            if ", true, " in self._ctl("endpoint", "status", endpoints=member.endpoint).stdout:
                return member
        raise AssertionError("no member leads")

    def _ctl(self, *argv: str, endpoints: str = "") -> subprocess.CompletedProcess[str]:
        command = ["etcdctl", f"--endpoints={endpoints or ','.join(self.endpoints)}"]
        if self.tls is not None:
            command += [f"--cacert={self.tls.ca_file}", f"--cert={self.tls.cert_file}", f"--key={self.tls.key_file}"]
        if self._guarded:
            command.append(f"--user=root:{self.password}")
        environment = {**os.environ, "ETCDCTL_API": "3"}
        return subprocess.run([*command, *argv], env=environment, capture_output=True, text=True, check=False)

    def _gateway(self, method: str, request: dict[str, str]) -> Any:
        url = f"http://{self.members[0].endpoint}/v3/maintenance/{method}"
        with urlopen(url, json.dumps(request).encode(), timeout=30) as answer:
            return json.load(answer)

    def _argv(self, member: Member, options: tuple[str, ...]) -> list[str]:
        scheme = "https" if self.tls else "http"
        peers = ",".join(f"{other.name}=http://127.0.0.1:{other.peer_port}" for other in self.members)
        argv = ["etcd", "--name", member.name, "--data-dir", str(self.folder / member.name)]
        argv += ["--listen-client-urls", f"{scheme}://{member.endpoint}"]
        argv += ["--advertise-client-urls", f"{scheme}://{member.endpoint}"]
        argv += ["--listen-peer-urls", f"http://127.0.0.1:{member.peer_port}"]
        argv += ["--initial-advertise-peer-urls", f"http://127.0.0.1:{member.peer_port}"]
        argv += ["--initial-cluster", peers, "--initial-cluster-token", self.folder.name]
        if self.tls is not None:
            argv += ["--cert-file", str(self.folder / "server.pem"), "--key-file", str(self.folder / "server.key")]
            argv += ["--trusted-ca-file", str(self.tls.ca_file), "--client-cert-auth"]
        return [*argv, *options]

    def _enable_authentication(self, password: str) -> None:
        for argv in (("user", "add", f"root:{password}"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
            self.ctl(*argv)
        self._guarded = True


def make_certificates(folder: Path, server_names: str = "DNS:localhost,IP:127.0.0.1") -> EtcdTls:
    """A certificate authority, a server's and a client's certificate, by openssl."""
    ca = folder / "ca"
    _openssl(
        "req", "-x509", *_NEW_KEY, "-subj", "/CN=test ca", "-keyout", f"{ca}.key", "-out", f"{ca}.pem", "-days", "2"
    )
    _issue(folder, "server", f"subjectAltName={server_names}")
    return client_certificate(folder, "client")


def client_certificate(folder: Path, name: str) -> EtcdTls:
    """One more client, of the authority that `make_certificates` has made in this folder."""
    _issue(folder, name, "extendedKeyUsage=clientAuth")
    return EtcdTls(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key")


def _issue(folder: Path, name: str, extension: str) -> None:
    ca, path = folder / "ca", folder / name
    (folder / f"{name}.ext").write_text(extension)
    _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{path}.key", "-out", f"{path}.csr")
    signed = ("-CA", f"{ca}.pem", "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", f"{path}.ext", "-days", "2")
    _openssl("x509", "-req", "-in", f"{path}.csr", "-out", f"{path}.pem", *signed)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*argv: str) -> None:
    subprocess.run(["openssl", *argv], check=True, capture_output=True)
