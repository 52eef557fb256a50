"""The attempt's key is in the script's text and on the wire as a signature: nowhere else."""

import datetime
import ipaddress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from keyhole.api import Limits
from keyhole.embedding import embed, prologue
from tests.contract.keyhole_client.conftest import KEY, PASSWORD, Start, config, peek
from tests.support.keyhole_api import FIRST, JOB, MemoryLedger, Tls, app, grant, serving
from tests.support.waiting import until

HOSTILE = [
    "'''\"\"\"",
    "\\",
    "a\nEOF\nKEYHOLE_0000\n)\ntouch pwned\n",
    "$(touch pwned)`touch pwned`",
    "\u2028\x00\x1b[2Jäöü\U0001f511{}{text}%s",
    'CONFIG: Dict[str, Any] = {}  # replaced by keyhole.embedding\nimport os; os.system("touch pwned")',
]


@pytest.mark.parametrize("before", ["set -euo pipefail", "set -a"])
def test_the_key_is_in_no_argument_and_no_environment(start: Start, ledger: MemoryLedger, before: str) -> None:
    with serving(app(ledger, Limits(answer_seconds=20))) as url:
        script = start(config(url), 'echo "[$-]"; env; sleep 60', before=before)
        until(lambda: ledger.requests)
        assert script.clients()
        assert_hidden()
        ledger.answers[JOB, FIRST] = grant(14500)
        until(lambda: ("started", None) in ledger.said())
        assert_hidden()
        assert KEY not in script.out + script.err
        script.kill()


def assert_hidden() -> None:
    assert [(pid, what) for what in ("cmdline", "environ") for pid, text in peek(what) if KEY.encode() in text] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_any_text_in_the_configuration_stays_data(
    start: Start, url: str, ledger: MemoryLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """It is the first address, and so asked, complained about and passed by."""
    monkeypatch.chdir(tmp_path)
    ledger.answers[JOB, FIRST] = grant(14500)
    script = start(config(f"http://{text}", url), "echo $KEYHOLE_PORT0")
    assert (script.wait(), script.out) == (0, "14500\n"), script.err
    assert not list(tmp_path.glob("**/pwned"))


@pytest.mark.parametrize("text", HOSTILE)
def test_the_configuration_arrives_as_it_was(text: str) -> None:
    scope: dict[str, object] = {"__name__": "client"}
    exec(embed(config(text, key=text, ca_pem=text)), scope)  # noqa: S102  it is our own client
    assert scope["CONFIG"] == {
        "job_id": JOB,
        "attempt": 1,
        "key": text,
        "urls": [text],
        "ports": 1,
        "ca_pem": text,
        "deadline": 60,
        "start_timeout": 300,
        "secrets": [PASSWORD],
    }


def test_what_is_shown_of_a_configuration_hides_the_key() -> None:
    shown = repr(config("http://keyhole"))
    assert KEY not in shown
    assert PASSWORD not in shown


def test_the_same_configuration_gives_the_same_text_in_ascii() -> None:
    assert prologue(config("http://ä")) == prologue(config("http://ä"))
    assert prologue(config("http://ä")).isascii()


def certificate(folder: Path, name: str, *, address: str = "127.0.0.1") -> Tls:
    """A certificate that signs itself, for a server at this address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Tls(folder / f"{name}.crt", folder / f"{name}.key")
    files.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def test_https_with_the_sites_own_authority(start: Start, ledger: MemoryLedger, tmp_path: Path) -> None:
    ledger.answers[JOB, FIRST] = grant(14500)
    ours = certificate(tmp_path, "ours")
    with serving(app(ledger), tls=ours) as url:
        script = start(config(url, ca_pem=ours.certificate.read_text()))
        assert script.wait() == 0, script.err


@pytest.mark.parametrize("trusted", ["theirs", "elsewhere", None])
def test_https_of_a_stranger_is_told_nothing(
    start: Start, ledger: MemoryLedger, tmp_path: Path, trusted: str | None
) -> None:
    """Signed by another authority, or for another address, or by nobody whom this node knows."""
    ledger.answers[JOB, FIRST] = grant(14500)
    certificates = {
        "ours": certificate(tmp_path, "ours"),
        "theirs": certificate(tmp_path, "theirs"),
        "elsewhere": certificate(tmp_path, "elsewhere", address="127.0.0.9"),
    }
    served = certificates["elsewhere" if trusted == "elsewhere" else "ours"]
    pem = certificates[trusted].certificate.read_text() if trusted else None
    with serving(app(ledger), tls=served) as url:
        script = start(config(url, ca_pem=pem, deadline=3), "echo unreachable")
        assert (script.wait(), script.out) == (75, "")
    assert "CERTIFICATE_VERIFY_FAILED" in script.err
    assert not ledger.requests


def test_a_broken_authority_is_a_fault_of_the_configuration(start: Start, url: str) -> None:
    assert start(config(url, ca_pem="no certificate"), "echo unreachable").wait() == 78
