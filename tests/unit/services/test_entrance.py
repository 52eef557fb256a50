"""Tokens for a gateway's proxy: what they say, who can check them, and keys that cannot be used."""

import base64
import json
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from bwvisu.errors import OperatorError
from bwvisu.services.entrance import entrances
from bwvisu.settings import ClusterSettings

KEY = ec.generate_private_key(ec.SECP256R1())
HOST = "01jd-50001.gw1.viz.example.org"


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, *, passphrase: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def cluster(key_file: Path, backend: str = "proxy") -> ClusterSettings:
    gateway = {"name": "gw1", "host": "g", "user": "u", "internal_ip": "10.0.0.1", "external_ip": "192.0.2.9"}
    host = {"external_host": "{id}-{port}.gw1.viz.example.org"} if backend == "proxy" else {}
    return ClusterSettings.model_validate(
        {
            "ssh": {"key_file": "/k", "known_hosts": "/kh"},
            "command_nodes": [{"host": "c", "user": "u"}],
            "gateways": [{**gateway, **host}],
            "compute_networks": ["10.0.0.0/24"],
            "forwards": {"backend": backend, "proxy": {"key_file": str(key_file), "lifetime": "1h"}},
        }
    )


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_a_token_names_one_host_and_its_end_and_is_signed(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(pem(KEY))
    entrance = entrances({"main": cluster(file)})["main"]
    head, claims, signature = entrance.token(HOST, 1000.9).split(".")
    assert json.loads(decoded(head)) == {"alg": "ES256", "typ": "JWT"}
    assert json.loads(decoded(claims)) == {"host": HOST, "exp": 4600}
    assert json.loads(decoded(entrance.token(HOST, 1000.9, 1060.2).split(".")[1]))["exp"] == 1060
    both = decoded(signature)
    assert len(both) == 64
    der = encode_dss_signature(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))
    KEY.public_key().verify(der, f"{head}.{claims}".encode(), ec.ECDSA(SHA256()))


def test_clusters_without_a_proxy_in_use_need_no_key(tmp_path: Path) -> None:
    assert entrances({"main": cluster(tmp_path / "none", backend="nftables")}) == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"rubbish", "holds no private key"),
        (pem(KEY, passphrase=b"x"), "holds no private key in PEM without a passphrase"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "another kind than P-256"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "another kind than P-256"),
    ],
)
def test_a_key_that_cannot_be_used_is_said_at_the_start(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(OperatorError, match=words):
        entrances({"main": cluster(file)})


def test_the_key_is_in_no_settings(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(pem(KEY))
    entrance = entrances({"main": cluster(file)})["main"]
    assert "PrivateKey" not in repr(entrance)
    assert "PRIVATE" not in yaml.safe_dump(cluster(file).model_dump(mode="json"))
