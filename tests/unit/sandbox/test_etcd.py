"""How members are started and reached."""

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bwvisu.sandbox import etcd
from bwvisu.sandbox.topology import Options, Topology

PLAIN = Topology(2, Options(etcd=1, etcd_tls=False))
FULL = Topology(2, Options(etcd=3, etcd_tls=True, etcd_auth=True))
FOLDER = Path("/run/x")


def test_settings_without_tls_and_passwords_are_the_endpoint_alone() -> None:
    assert etcd.access(PLAIN, FOLDER).settings() == {"endpoints": ["127.77.2.1:2379"], "prefix": "/bwvisu"}


def test_settings_with_both() -> None:
    assert etcd.access(FULL, FOLDER).settings() == {
        "endpoints": ["127.77.2.1:2379", "127.77.2.2:2379", "127.77.2.3:2379"],
        "prefix": "/bwvisu",
        "tls": {
            "ca_file": "/run/x/tls/ca.crt",
            "cert_file": "/run/x/tls/client.crt",
            "key_file": "/run/x/tls/client.key",
        },
        "username": "bwvisu",
        "password_file": "/run/x/etcd.password",
    }


def test_every_member_knows_all_peers() -> None:
    argv = etcd.member_argv(FULL, "etcd2")
    assert argv[argv.index("--initial-cluster") + 1] == (
        "etcd1=https://127.77.2.1:2380,etcd2=https://127.77.2.2:2380,etcd3=https://127.77.2.3:2380"
    )
    assert "--client-cert-auth=true" in argv
    assert not [argument for argument in etcd.member_argv(PLAIN, "etcd1") if "cert" in argument]


def test_secrets_are_readable_by_root_alone_and_never_arguments() -> None:
    files = etcd.files(FULL)
    secret = [file for path, file in files.items() if path.endswith((".key", "password"))]
    assert len(secret) == 6
    assert {file.mode for file in secret} == {0o600}
    assert not [file for path, file in files.items() if "daemons/" in path if any(s.text in file.text for s in secret)]


def test_a_members_certificate_is_signed_for_its_address_and_where_peers_call_from() -> None:
    files = etcd.files(FULL)
    authority = x509.load_pem_x509_certificate(files["tls/ca.crt"].text.encode())
    server = x509.load_pem_x509_certificate(files["hosts/etcd2/tls/server.crt"].text.encode())
    server.verify_directly_issued_by(authority)
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {str(address) for address in names.get_values_for_type(x509.IPAddress)} == {"127.77.2.2", "127.0.0.1"}
    key = load_pem_private_key(files["hosts/etcd2/tls/server.key"].text.encode(), None)
    assert key.public_key() == server.public_key()


def test_users_are_known_by_certificates_and_root_is_one_of_them() -> None:
    topology = Topology(2, Options(etcd=3, etcd_users=("reader", "writer")))
    files = etcd.files(topology)
    for user in ("root", "reader", "writer"):
        certificate = x509.load_pem_x509_certificate(files[f"tls/{user}.crt"].text.encode())
        assert certificate.subject.rfc4514_string() == f"CN={user}"
        assert files[f"tls/{user}.key"].mode == 0o600
    found = etcd.access(topology, FOLDER)
    assert found.certificate("reader") == (FOLDER / "tls/reader.crt", FOLDER / "tls/reader.key")
    assert f"--cert={FOLDER}/tls/root.crt" in found.etcdctl()[0]
    for access, user in ((found, "stranger"), (etcd.access(FULL, FOLDER), "root")):
        with pytest.raises(ValueError, match="has no certificate here"):
            access.certificate(user)


def test_there_are_no_such_users_without_tls() -> None:
    with pytest.raises(ValueError, match="etcd_tls must be on"):
        Options(etcd_tls=False, etcd_users=("reader",))
