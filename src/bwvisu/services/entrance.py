"""What lets a browser through a gateway's proxy: a JSON Web Token (RFC 7519) for one host name, signed with ES256.

The format is this small, and its one reader is HAProxy (`keyhole.proxy_config`), which knows the public key.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bwvisu.errors import OperatorError
from bwvisu.settings import ClusterSettings

_HALF = 32
"""Bytes of each of a signature's two numbers (RFC 7518, 3.4)."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """Signs for one cluster's gateways."""

    key: EllipticCurvePrivateKey = field(repr=False)
    lifetime: float
    """Seconds for which a token lets in."""

    def token(self, host: str, now: float, ends: float | None = None) -> str:
        """For ``host`` and nobody else, from ``now`` (seconds since 1970) on, and not beyond ``ends``."""
        expires = now + self.lifetime if ends is None else min(now + self.lifetime, ends)
        head, claims = {"alg": "ES256", "typ": "JWT"}, {"host": host, "exp": int(expires)}
        signed = f"{part(json.dumps(head).encode())}.{part(json.dumps(claims).encode())}"
        r, s = decode_dss_signature(self.key.sign(signed.encode(), ECDSA(SHA256())))
        return f"{signed}.{part(r.to_bytes(_HALF, 'big') + s.to_bytes(_HALF, 'big'))}"


def entrances(clusters: Mapping[str, ClusterSettings]) -> dict[str, Entrance]:
    """By cluster; raises OperatorError where a key cannot be used."""
    proxied = [(name, cluster.forwards.proxied) for name, cluster in clusters.items()]
    return {name: Entrance(_key(proxy.key_file), proxy.lifetime) for name, proxy in proxied if proxy}


def _key(path: Path) -> EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise OperatorError(f"{path} holds no private key in PEM without a passphrase") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise OperatorError(f"{path} holds a key of another kind than P-256 (prime256v1)")
    return key


def part(content: bytes) -> str:
    """One part of a token: base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
