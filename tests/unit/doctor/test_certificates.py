"""The doctor on certificates that the settings name."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bwvisu.doctor.certificates import judge
from bwvisu.doctor.findings import Verdict
from bwvisu.sandbox.keys import Authority


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A certificate and its authority's, as one file."""
    authority = Authority("ours")
    path = tmp_path / "chain.pem"
    path.write_text(authority.issue("etcd").certificate + authority.certificate)
    return path


def after(path: Path, **time: float) -> Verdict:
    """What is said of it so much later."""
    return judge([("etcd.tls.cert_file", path)], datetime.now(UTC) + timedelta(**time)).verdict


def test_one_that_ends_soon_is_told_in_time(chain: Path) -> None:
    assert after(chain) is Verdict.OK
    told = judge([("etcd.tls.cert_file", chain)], datetime.now(UTC) + timedelta(days=3650))
    assert told.verdict is Verdict.FAULT
    assert told.detail.startswith(f"etcd.tls.cert_file: {chain} ends on 20")
    assert told.detail.endswith("days ago")
    assert told.mend is not None
    assert told.mend.lines == (f"openssl x509 -noout -enddate -in {chain}",)


def test_what_is_none_is_not_called_good(chain: Path, tmp_path: Path) -> None:
    spoilt = tmp_path / "spoilt.pem"
    spoilt.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    assert judge([("a.ca_file", chain), ("b.ca_file", spoilt)], datetime.now(UTC)).verdict is Verdict.UNKNOWN


def test_other_files_and_files_that_are_not_there_are_left_alone(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("a secret")
    finding = judge([("ssh.key_file", key), ("etcd.tls.ca_file", tmp_path / "nowhere")], datetime.now(UTC))
    assert (finding.verdict, finding.detail) == (Verdict.OK, "none is named")
