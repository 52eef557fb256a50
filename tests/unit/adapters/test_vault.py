"""Sealed secrets open with their key and their job, and with nothing else."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from bwvisu.adapters.vault import KeyMissing, Vault, new_key, read_vault
from bwvisu.errors import OperatorError

OLD, NEW = os.urandom(32), os.urandom(32)
SECRET = os.urandom(32)


def vault(*keys: bytes) -> Vault:
    return Vault(keys)


def test_what_is_stored_does_not_hold_the_secret_and_is_another_each_time() -> None:
    first, second = (vault(OLD).seal("job", SECRET) for _ in range(2))
    assert SECRET not in first
    assert first != second
    assert vault(OLD).open("job", first) == vault(OLD).open("job", second) == SECRET


@pytest.mark.parametrize("keys", [(OLD,), (NEW, OLD), (OLD, NEW)])
def test_any_of_the_keys_opens_and_the_first_one_seals(keys: Sequence[bytes]) -> None:
    assert vault(*keys).open("job", vault(OLD).seal("job", SECRET)) == SECRET
    assert vault(keys[0]).open("job", vault(*keys).seal("job", SECRET)) == SECRET


@pytest.mark.parametrize("keys", [(), (OLD,), (NEW, OLD)])
def test_a_record_from_before_there_were_keys_stays_readable(keys: Sequence[bytes]) -> None:
    assert vault().seal("job", SECRET) == SECRET
    assert vault(*keys).open("job", SECRET) == SECRET
    assert vault(*keys).settled(SECRET) is (not keys)


@pytest.mark.parametrize("keys", [(), (NEW,)])
def test_without_its_key_nothing_is_done_with_it_until_somebody_hands_it_over(keys: Sequence[bytes]) -> None:
    with pytest.raises(KeyMissing, match=r"job 01j is sealed with the key [0-9a-f]{8}: add its file"):
        vault(*keys).open("01j", vault(OLD).seal("01j", SECRET))


def test_a_secret_is_bound_to_its_job_and_a_changed_one_is_refused() -> None:
    sealed = vault(OLD).seal("job", SECRET)
    with pytest.raises(OperatorError, match="belongs to another job"):
        vault(OLD).open("other", sealed)
    for position in range(len(sealed) - len(SECRET) - 28, len(sealed)):  # nonce, ciphertext, tag
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(OperatorError):
            vault(OLD).open("job", bytes(changed))
    with pytest.raises(OperatorError):
        vault(OLD).open("job", sealed[:-1])
    with pytest.raises(OperatorError):
        vault(OLD).open("job", sealed[:13])


def test_files_hold_a_key_each_and_errors_name_the_file_and_no_key(tmp_path: Path) -> None:
    good, short, absent = (tmp_path / name for name in ("good", "short", "absent"))
    good.write_text(new_key() + "\n")
    short.write_text(base64.urlsafe_b64encode(b"hunter2").decode())
    assert read_vault([good]).sealing
    assert not read_vault([]).sealing
    for file, words in ((short, "holds no key"), (absent, "cannot be read")):
        with pytest.raises(OperatorError, match=f"{file} {words}") as raised:
            read_vault([good, file])
        assert file.name in str(raised.value)
        assert "aHVudGVyMg" not in str(raised.value)
    short.write_text("not base64 ä")
    with pytest.raises(OperatorError, match="holds no key"):
        read_vault([short])
