"""Secrets of jobs as they lie in etcd: sealed with AES-256-GCM under a key that etcd never sees.

A sealed secret names its key (4 bytes of the key's SHA-256), so that keys can be changed while jobs run, and is
bound to its job, so that nobody who writes to etcd can give one job another's.  Who has no keys stores secrets as
they are; such records stay readable for ever, and `bwvisu secrets rotate` seals them.
"""

import base64
import binascii
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bwvisu.adapters.etcd import Conflict, OutcomeUnknown, Put, Store, Unchanged
from bwvisu.adapters.records import Keys
from bwvisu.domain.job import JobId
from bwvisu.errors import OperatorError, TryAgain

_MAGIC = b"\0bwvisu1"
"""No drawn secret begins so, but for one in 2^64."""
_ID, _NONCE, _KEY = 4, 12, 32


class KeyMissing(TryAgain):
    """The secret is sealed with a key that this process was not given; until it is, nothing is done with the job."""


class Vault:
    """Seals with the first of ``keys`` (32 bytes each), opens with any; without keys secrets stay as they are."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {_id(key): AESGCM(key) for key in keys}
        self._first = next(iter(self._keys), b"")

    @property
    def sealing(self) -> bool:
        """Whether there is a key at all."""
        return bool(self._keys)

    def seal(self, job_id: JobId, secret: bytes) -> bytes:
        """What is stored for a job's secret; each time another text."""
        if not self._keys:
            return secret
        nonce = os.urandom(_NONCE)
        return _MAGIC + self._first + nonce + self._keys[self._first].encrypt(nonce, secret, job_id.encode())

    def open(self, job_id: JobId, stored: bytes) -> bytes:
        """The secret again.  Raises `KeyMissing`, and `OperatorError` where the record was damaged or is another's."""
        if not stored.startswith(_MAGIC):
            return stored
        key_id, nonce, sealed = _parts(stored)
        key = self._keys.get(key_id)
        if key is None:
            raise KeyMissing(
                f"the secret of job {job_id} is sealed with the key {key_id.hex()}: add its file to secrets.key_files"
            )
        try:
            return key.decrypt(nonce, sealed, job_id.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: cut off
            raise OperatorError(f"the sealed secret of job {job_id} was changed or belongs to another job") from error

    def settled(self, stored: bytes) -> bool:
        """Whether it is stored as `seal` would store it now."""
        return not self._keys or (stored.startswith(_MAGIC) and _parts(stored)[0] == self._first)


def _parts(stored: bytes) -> tuple[bytes, bytes, bytes]:
    rest = stored.removeprefix(_MAGIC)
    return rest[:_ID], rest[_ID : _ID + _NONCE], rest[_ID + _NONCE :]


def _id(key: bytes) -> bytes:
    return hashlib.sha256(b"bwvisu secrets key " + key).digest()[:_ID]


def new_key() -> str:
    """A key as its file holds it: 32 bytes in URL-safe Base64."""
    return base64.urlsafe_b64encode(os.urandom(_KEY)).decode()


def read_vault(files: Sequence[Path]) -> Vault:
    """From the files of the settings, one key in each.  Raises OperatorError, naming the file."""
    return Vault([_read(file) for file in files])


def _read(file: Path) -> bytes:
    try:
        key = base64.b64decode(file.read_text().strip(), altchars=b"-_", validate=True)
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}") from error
    except (binascii.Error, ValueError) as error:
        raise OperatorError(f"{file} holds no key of `bwvisu secrets create-key`") from error
    if len(key) != _KEY:
        raise OperatorError(f"{file} holds no key of `bwvisu secrets create-key`")
    return key


async def rotate(store: Store, keys: Keys, vault: Vault) -> tuple[int, int]:
    """Seal every stored secret with the first key; how many were sealed anew, and how many there are.

    May be repeated, and run while the service does: a secret that goes meanwhile is left alone.
    Raises what `Vault.open` does: nothing is lost then, and the rest waits.
    """
    entries = (await store.list(keys.kind("secrets"))).entries
    anew = 0
    for key, entry in entries.items():
        if vault.settled(entry.value):
            continue
        job_id = keys.job_of(key)
        sealed = vault.seal(job_id, vault.open(job_id, entry.value))
        try:
            result = await store.commit([Unchanged(key, entry.mod_revision)], [Put(key, sealed)])
        except OutcomeUnknown as error:
            raise TryAgain(f"etcd did not say whether it kept the secret of job {job_id}; run it again") from error
        anew += not isinstance(result, Conflict)
    return anew, len(entries)
