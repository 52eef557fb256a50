"""A real slapd on loopback with a folder and a certificate of its own; started by a test, never by the system."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bwvisu.settings import LdapAuth
from tests.support.daemons import until_listening
from tests.support.etcd import make_certificates
from tests.support.waiting import free_port

PEOPLE, GROUPS = "ou=people,dc=example,dc=org", "ou=groups,dc=example,dc=org"
READER, READER_PASSWORD = "cn=reader,dc=example,dc=org", "reads"
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/pid
argsfile {folder}/args
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
# Whoever binds with a name but without a password is let in as nobody: what a careless client takes for a proof.
allow bind_anon_dn
security simple_bind=64
database mdb
directory {folder}/data
suffix dc=example,dc=org
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree={people} by dn.exact={reader} read
access to dn.subtree={groups} by dn.exact={reader} read
access to * by * none
"""
TREE = """
dn: dc=example,dc=org
objectClass: domain
dc: example

dn: {reader}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: {reader_password}

dn: {people}
objectClass: organizationalUnit
ou: people

dn: {groups}
objectClass: organizationalUnit
ou: groups
"""


class Slapd:
    """One server.  `stop` is idempotent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._entries = [
            TREE.format(people=PEOPLE, groups=GROUPS, reader=READER, reader_password=READER_PASSWORD).strip()
        ]
        (folder / "data").mkdir()
        (folder / "reader").write_text(f"{READER_PASSWORD}\n")
        make_certificates(folder)
        names = {"folder": folder, "people": PEOPLE, "groups": GROUPS, "reader": READER}
        (folder / "slapd.conf").write_text(CONFIG.format(**names))

    def person(self, uid: str, password: str, *, cn: str = "", ou: str = "", groups: tuple[str, ...] = ()) -> str:
        """Put somebody in before it is started; ``groups``: DNs that it is a ``memberOf``; the entry's DN."""
        dn = f"cn={cn or uid},{f'ou={ou},' if ou else ''}{PEOPLE}"
        if ou and not any(entry.startswith(f"dn: ou={ou},") for entry in self._entries):
            self._entries.append(f"dn: ou={ou},{PEOPLE}\nobjectClass: organizationalUnit\nou: {ou}")
        lines = [
            f"dn: {dn}",
            "objectClass: inetOrgPerson",
            f"uid: {uid}",
            "sn: of Example",
            f"userPassword: {password}",
        ]
        self._entries.append("\n".join([*lines, *(f"memberOf: {group}" for group in groups)]))
        return dn

    def group(self, name: str, *, member: str = "", uid: str = "") -> str:
        """A ``groupOfNames`` of a DN, or a ``posixGroup`` of a user name; its DN."""
        dn = f"cn={name},{GROUPS}"
        kind = f"groupOfNames\nmember: {member}" if member else f"posixGroup\ngidNumber: 4242\nmemberUid: {uid}"
        self._entries.append(f"dn: {dn}\nobjectClass: {kind}")
        return dn

    def settings(self, **changes: object) -> LdapAuth:
        """Settings that reach it, by StartTLS."""
        plain = {
            "kind": "ldap",
            "url": f"ldap://127.0.0.1:{self.port}",
            "ca_file": self.folder / "ca.pem",
            "bind_dn": READER,
            "bind_password_file": self.folder / "reader",
            "base_dn": PEOPLE,
        }
        return LdapAuth.model_validate({**plain, **changes})

    def load(self) -> None:
        """Put the entries into its data."""
        argv: list[Path | str] = ["/usr/sbin/slapadd", "-q", "-f", self.folder / "slapd.conf"]
        done = subprocess.run(argv, input="\n\n".join(self._entries), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Start listening; returns when it does."""
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        argv: list[Path | str] = ["/usr/sbin/slapd", "-d", "0", "-f", self.folder / "slapd.conf", "-h", urls]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until_listening(self._process, self.folder / "log", self.port, self.tls_port)

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Let it say nothing more, without closing anything: a host that hangs."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def new_slapd() -> Iterator[Slapd]:
    """A server that is still to be filled, loaded and started; it is gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="bwvt-slapd-"))
    server = Slapd(folder)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)
