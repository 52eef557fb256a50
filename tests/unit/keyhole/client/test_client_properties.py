"""What the client prints, through a real shell: exactly what the keyhole granted, or nothing at all."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keyhole.client import NONSENSE, Keyhole, Refused, Run, Unanswered, count, environment, expand, read_forwards
from keyhole.listeners import any_address
from tests.support.effort import effort

ports = st.integers(1, 65535)
labels = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9-]{0,12}[A-Za-z0-9])?", fullmatch=True)
addresses = st.ip_addresses().map(str).filter(lambda address: not address.endswith(":"))
good_hosts = st.lists(labels, min_size=1, max_size=4).map(".".join) | addresses
HOSTILE = (
    "$(touch pwned)",
    "`touch pwned`",
    "a;touch pwned",
    "a\ntouch pwned",
    "-x",
    "a b",
    "'",
    "a'",
    "",
    "ä",
    "a\0",
    "~",
)
odd = (
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
)
names = ("internal_port", "external_host", "external_port")
good = st.fixed_dictionaries({"internal_port": ports, "external_host": good_hosts, "external_port": ports})
replies = st.recursive(odd, lambda inner: st.dictionaries(st.sampled_from((*names, "forwards")), inner, max_size=3))
SHOW = 'env | grep "^KEYHOLE_" || :\n'


def seen_by_a_shell(environ: dict[str, str], folder: Path) -> dict[str, str]:
    """What a POSIX shell that is started so sees of the keyhole."""
    shell = ["/bin/sh", "-euc", SHOW]
    done = subprocess.run(shell, cwd=folder, env={"PATH": "/usr/bin:/bin"} | environ, capture_output=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.decode().splitlines())


@effort(0.4)
@given(forwards=st.lists(good, max_size=100))
def test_the_shell_sees_every_port_and_gateway_as_granted(
    tmp_path_factory: pytest.TempPathFactory, forwards: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("job")
    given_to_it = environment(read_forwards({"forwards": forwards}, len(forwards)), {}, "1.0")
    seen = seen_by_a_shell(given_to_it, folder)
    words = zip(("PORT", "GATEWAY", "EXTERNAL_PORT"), names, strict=True)
    wanted = {f"KEYHOLE_{word}{n}": str(each[name]) for word, name in words for n, each in enumerate(forwards)}
    assert seen == wanted | {"KEYHOLE_ADDRESS": any_address()}
    assert list(folder.iterdir()) == []


@effort(2)
@given(good, st.sampled_from(names), st.sampled_from(HOSTILE) | odd)
def test_anything_else_in_an_answer_never_reaches_the_shell(forward: dict[str, Any], name: str, value: object) -> None:
    altered = forward | {name: value}
    try:
        (read,) = read_forwards({"forwards": [altered]}, 1)
    except NONSENSE:
        return
    assert read._asdict() == altered
    assert type(value) is (str if name == "external_host" else int)
    assert all(map(str.isascii, environment([read], {}, "1.0").values()))
    assert value not in HOSTILE


class Answering(Keyhole):
    """One address, which answers what it is told to."""

    answer: Any = None

    def exchange(self, *_: Any) -> Any:
        return self.answer


@pytest.fixture(scope="module")
def keyhole() -> Answering:
    return Answering(
        {"job_id": "j1", "key": "0" * 64, "urls": ["http://a"], "ca_pem": None, "secrets": []}, Run(1, 0, 1, ["n1"])
    )


@effort(2)
@example(status=200, reply={"forwards": 1}, pause=None)
@example(status=401, reply={"type": "/problems/clock-skew", "server_time": 10**400}, pause=None)
@given(
    status=st.sampled_from((200, 202, 204, 301, 400, 401, 404, 408, 429, 500, 503)),
    reply=replies.filter(lambda reply: isinstance(reply, dict))
    | st.fixed_dictionaries({"type": odd | st.just("/problems/clock-skew"), "server_time": odd, "detail": odd}),
    pause=st.none() | st.floats(0.5, 60.0),
)
def test_any_answer_is_forwards_a_no_or_not_yet(
    keyhole: Answering, status: int, reply: Any, pause: float | None
) -> None:
    keyhole.answer = status, pause, reply
    try:
        forwards = keyhole.ask(1, 1.0)
    except Refused:
        assert 400 <= status < 500
    except Unanswered:
        pass
    else:
        assert status in {200, 204}
        assert len(forwards) == 1


@effort(2)
@given(st.text("n0123456789-,[]ab.", max_size=30))
def test_a_node_list_is_names_or_nonsense(text: str) -> None:
    try:
        hosts = expand(text[:12])
    except NONSENSE:
        return
    assert not any(set(host) & set("[],") for host in hosts)


@given(st.lists(st.integers(0, 9999), min_size=1, max_size=8))
def test_plain_numbers_are_counted_as_they_stand(numbers: list[int]) -> None:
    assert count(",".join(map(str, numbers))) == list(map(str, numbers))
