"""Settings: what is read, what wins, and one exact line for each fault."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from bwvisu.settings import Settings, SettingsError, expired_tokens, load, settings_path

CLUSTER = """\
clusters:
  main:
    ssh: {key_file: /k, known_hosts: /kh}
    command_nodes: [{host: 192.0.2.1, user: bwvisu}]
    gateways:
      - {name: gw1, host: g1, user: u, internal_ip: 10.0.0.1, external_ip: 192.0.2.9, external_host: "{id}.example.org"}
    compute_networks: ["10.0.0.0/24"]
"""
KEYHOLE = """\
keyhole: {public_urls: ["https://middleware:4243"]}
"""
GOOD = CLUSTER + KEYHOLE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bwvisu.yaml"


def read(path: Path, text: str) -> Settings:
    path.write_text(text)
    return load(path)


def faults(path: Path, text: str) -> list[str]:
    """The faults of a file, without its name."""
    with pytest.raises(SettingsError) as raised:
        read(path, text)
    return [fault.replace(str(path), "") for fault in raised.value.faults]


def with_cluster(lines: str) -> str:
    return CLUSTER + "".join(f"    {line}\n" for line in lines.splitlines()) + KEYHOLE


def test_a_short_file_is_enough(path: Path) -> None:
    settings = read(path, GOOD)
    cluster = settings.clusters["main"]
    assert settings.etcd.endpoints == ("127.0.0.1:2379",)
    assert settings.retention.finished == 7 * 86400
    assert (cluster.slurm.submit_timeout, cluster.slurm.poll_interval) == (25, 5)
    assert cluster.limits.submissions_in_flight == 8


def test_gateways_and_policy_are_the_keyholes(path: Path) -> None:
    cluster = read(path, with_cluster("forwards: {port_range: [6000, 6001], hostname_suffix: -ib0}")).clusters["main"]
    policy = cluster.forward_policy(frozenset({"10.0.0.9"}))
    assert (policy.first_port, policy.last_port, policy.hostname_suffix) == (6000, 6001, "-ib0")
    assert policy.own_addresses == {"10.0.0.9"}
    assert cluster.gateways_by_name()["gw1"].public_host("01jd") == "01jd.example.org"


@pytest.mark.parametrize(
    ("text", "seconds"), [("7d", 604800), ("2h", 7200), ("5m", 300), ("90s", 90), ("1.5m", 90), ("0.5", 0.5), ("3", 3)]
)
def test_durations_are_seconds_or_text(path: Path, text: str, seconds: float) -> None:
    assert read(path, GOOD + f"retention: {{finished: {text}}}\n").retention.finished == seconds


def test_what_takes_effect_can_be_read_again(path: Path) -> None:
    settings = read(path, GOOD)
    again = read(path, yaml.safe_dump(settings.model_dump(mode="json")))
    assert again == settings


MAIL = 'mail: {host: smtp, sender: bwvisu@example.org, address: "{user}@example.org"}\n'


def test_mail_is_sent_over_tls_unless_the_site_says_otherwise(path: Path) -> None:
    assert read(path, GOOD).mail is None
    mail = read(path, GOOD + MAIL).mail
    assert mail is not None
    assert (mail.port, mail.start_tls, mail.timeout, mail.address) == (25, True, 10, "{user}@example.org")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("user: x", "user and password_file belong together"),
        ("user: x, password_file: /p, start_tls: false", "a password is not sent in the clear"),
        ("address: me@example.org", "must be an address such as {user}@example.org"),
        ('sender: "a b@example.org"', "must be a mail address"),
    ],
)
def test_mail_settings_that_cannot_work_are_told(path: Path, more: str, words: str) -> None:
    section = yaml.safe_load(MAIL)
    section["mail"] |= yaml.safe_load("{" + more + "}")
    (fault,) = faults(path, GOOD + yaml.safe_dump(section))
    assert words in fault


def test_the_environment_wins(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWVISU_API__PORT", "4300")
    monkeypatch.setenv("BWVISU_CLUSTERS__MAIN__SLURM__POLL_INTERVAL", "1m")
    monkeypatch.setenv("BWVISU_ETCD__ENDPOINTS", '["etcd1:2379", "etcd2:2379"]')
    monkeypatch.setenv("BWVISU_TOKEN", "not a setting")
    settings = read(path, GOOD + "api: {host: 127.0.0.1}\n")
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 4300)
    assert settings.clusters["main"].slurm.poll_interval == 60
    assert settings.clusters["main"].slurm.submit_timeout == 25
    assert settings.etcd.endpoints == ("etcd1:2379", "etcd2:2379")


def test_a_fault_of_the_environment_names_its_variable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BWVISU_API__PORTT", "4300")
    monkeypatch.setenv("BWVISU_KEYHOLE__PORT", "many")
    assert faults(path, GOOD) == [
        "BWVISU_API__PORTT: api.portt: unknown key; did you mean 'port'?",
        "BWVISU_KEYHOLE__PORT: keyhole.port: should be a valid integer, unable to parse string as an integer",
    ]


def test_the_file_is_named_by_option_then_environment_then_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BWVISU_CONFIG", raising=False)
    assert settings_path() == Path("/etc/bwvisu/bwvisu.yaml")
    monkeypatch.setenv("BWVISU_CONFIG", "/a.yaml")
    assert settings_path() == Path("/a.yaml")
    assert settings_path(Path("/b.yaml")) == Path("/b.yaml")


TOKEN = "a" * 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [":1: clusters: is missing"]),
        ("[]", [": the file must hold sections such as `etcd:` and `clusters:`"]),
        ("a: [", [":1: not YAML: expected the node content, but found '<stream end>'"]),
        ("clusters: {}", [":1: clusters: must not be empty"]),
        (
            with_cluster("slurm: {pol_interval: 5}"),
            [":8: clusters.main.slurm.pol_interval: unknown key; did you mean 'poll_interval'?"],
        ),
        (GOOD + "leader: {x: 1}\n", [":9: leader.x: unknown key; known are ttl, metrics"]),
        (GOOD + "leader: {ttl: 1.5}\n", [":9: leader.ttl: must be a whole number of seconds"]),
        (
            GOOD + "retention: {finished: a week}\n",
            [":9: retention.finished: a duration is a number of seconds, or text such as 90s, 5m, 2h, 7d"],
        ),
        (GOOD + "api: {port: 1}\napi: {port: 2}\n", [":10: the key 'api' stands twice"]),
        (
            GOOD + f"api: {{tokens: [{{name: a, sha256: x, scopes: [jobs:read]}}, {{name: b, sha256: {TOKEN}}}]}}\n",
            [
                ":9: api.tokens.0.sha256: must be 64 hexadecimal digits in lower case",
                ":9: api.tokens.1.scopes: is missing",
            ],
        ),
        (
            GOOD + f"api: {{tokens: [{{name: a, sha256: {TOKEN}, scopes: [all]}}]}}\n",
            [
                ":9: api.tokens.0.scopes.0: should be 'jobs:read', 'jobs:write', 'jobs:connect', 'clusters:read', "
                "'impersonate' or 'admin'"
            ],
        ),
        (GOOD.replace("10.0.0.1,", "10.0.0.x,"), [":6: clusters.main.gateways.0.internal_ip: is not an IP address"]),
        (
            GOOD.replace("10.0.0.0/24", "10.0.0.1/24"),
            [":7: clusters.main.compute_networks.0: is not a network such as 10.0.0.0/24"],
        ),
        (
            GOOD.replace("    compute_networks", "    title"),
            [":7: clusters.main.title: should be a valid string"],
        ),
        (
            with_cluster("forwards: {port_range: [60000, 50000]}"),
            [":8: clusters.main.forwards.port_range: the first port must not be above the last"],
        ),
        (
            with_cluster("slurm: {job_name_prefix: BWV}"),
            [
                ":8: clusters.main.slurm.job_name_prefix: must be a lower-case letter, then up to seven letters or "
                "digits"
            ],
        ),
        (
            with_cluster("users: {pattern: '[a-z]*'}"),
            [":8: clusters.main.users.pattern: matches the empty name or names with a slash"],
        ),
        (
            GOOD.replace("main:", "Main:"),
            [":2: clusters.Main: must be lower-case letters, digits, inner hyphens, at most 32"],
        ),
        (
            GOOD + "portal: {token_file: /t, session_key_file: /k, auth: {kind: ldap, url: 'http://h', base: x}}\n",
            [
                ":9: portal.auth.url: must be an ldap:// or ldaps:// URL without a path",
                ":9: portal.auth.base_dn: is missing",
                ":9: portal.auth.base: unknown key; did you mean 'base_dn'?",
            ],
        ),
        (
            GOOD + "portal: {token_file: /t, session_key_file: /k, auth: {kind: saml}}\n",
            [":9: portal.auth: its `kind` must be one of 'local', 'oidc', 'ldap'"],
        ),
        (
            GOOD + "portal: {token_file: /t, session_key_file: /k, auth: {}}\n",
            [":9: portal.auth: its `kind` is missing"],
        ),
        (GOOD + "etcd: {endpoints: ['http://h:1']}\n", [":9: etcd.endpoints.0: must be HOST:PORT, without a scheme"]),
    ],
)
def test_each_fault_is_one_exact_line(path: Path, text: str, expected: list[str]) -> None:
    assert faults(path, text) == expected


def test_two_of_a_name_are_refused(path: Path) -> None:
    gateway = GOOD.splitlines()[5]
    assert faults(path, GOOD.replace(gateway, f"{gateway}\n{gateway}")) == [
        ":5: clusters.main.gateways: two gateways are named 'gw1'"
    ]
    token = f"{{name: a, sha256: {TOKEN}, scopes: [admin]}}"
    assert faults(path, GOOD + f"api: {{tokens: [{token}, {token}]}}\n") == [
        ":9: api.tokens: two tokens have the same name 'a'"
    ]
    basic = f"{{name: a, password_sha256: {TOKEN}}}"
    for sections in (f"tokens: [{token}], basic: [{basic}]", f"basic: [{basic}, {basic}]"):
        assert faults(path, GOOD + f"api: {{{sections}}}\n") == [
            ":9: api: two of tokens and basic have the same name 'a'"
        ]


def test_a_certificate_without_its_key_is_a_fault(path: Path) -> None:
    """gRPC would end the process for it, with a stack trace of its own."""
    assert faults(path, GOOD + "etcd: {tls: {cert_file: /c.pem}}\n") == [
        ":9: etcd.tls: cert_file and key_file go together"
    ]


def test_two_tokens_of_one_holder_allow_the_same(path: Path) -> None:
    old = f"{{name: a, sha256: {TOKEN}, scopes: [admin], expires: 2027-01-31T12:00:00+01:00}}"
    new, more = (f"{{name: a, sha256: {'b' * 64}, scopes: [{scopes}]}}" for scopes in ("admin", "admin, jobs:read"))
    first, second = read(path, GOOD + f"api: {{tokens: [{old}, {new}]}}\n").api.tokens
    assert first.principal() == second.principal()
    assert expired_tokens((first, second), datetime(2027, 1, 31, 11, tzinfo=UTC)) == [
        "api.tokens.0: a has expired at 2027-01-31 11:00 UTC"
    ]
    assert expired_tokens((first, second), datetime(2026, 12, 31, tzinfo=UTC)) == []
    assert faults(path, GOOD + f"api: {{tokens: [{old}, {more}]}}\n") == [
        ":9: api.tokens: two tokens have the same name 'a'"
    ]


def test_a_gateways_host_serves_one_cluster(path: Path) -> None:
    two = GOOD + CLUSTER.replace("clusters:\n", "").replace("  main:", "  north:")
    lines = GOOD.replace(KEYHOLE, "") + two.removeprefix(GOOD) + KEYHOLE
    complaint = ": file: the gateways main.gw1 and north.gw1 are one host; let it serve one cluster"
    for same in (lines, lines[: len(CLUSTER)] + lines[len(CLUSTER) :].replace("host: g1", "host: g2")):
        (fault,) = faults(path, same)
        assert fault.endswith(complaint)
    apart = lines[: len(CLUSTER)] + lines[len(CLUSTER) :].replace("host: g1", "host: g2").replace(
        "192.0.2.9", "192.0.2.8"
    )
    assert list(read(path, apart).clusters) == ["main", "north"]


def test_gateways_need_networks(path: Path) -> None:
    assert faults(path, GOOD.replace(CLUSTER.splitlines()[-1], "")) == [
        ":2: clusters.main: gateways are named but no compute_networks: no forward could lead anywhere"
    ]


def test_a_gateway_has_one_family_and_networks_of_it(path: Path) -> None:
    six = GOOD.replace(
        "internal_ip: 10.0.0.1, external_ip: 192.0.2.9", "internal_ip: fd00::1, external_ip: 2001:db8::9"
    )
    assert faults(path, six) == [
        ":2: clusters.main: no compute_networks of IPv6: no forward of 'gw1' could lead anywhere"
    ]
    assert faults(path, GOOD.replace("internal_ip: 10.0.0.1", "internal_ip: fd00::1")) == [
        ":6: clusters.main.gateways.0: internal_ip and external_ip are of different families"
    ]


def test_one_host_may_be_named_once_for_each_family(path: Path) -> None:
    gateway = GOOD.splitlines()[5]
    other = gateway.replace("gw1", "gw1-ipv6").replace("10.0.0.1", "fd00::1").replace("192.0.2.9", "2001:db8::9")
    both = GOOD.replace(gateway, f"{gateway}\n{other}").replace('"10.0.0.0/24"', '"10.0.0.0/24", "fd00::/64"')
    gateways = read(path, both).clusters["main"].gateways_by_name()
    assert {name: each.family for name, each in gateways.items()} == {"gw1": 4, "gw1-ipv6": 6}


def test_a_file_that_is_not_there_is_said_to_be_so(path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file; name one by --config or BWVISU_CONFIG"):
        load(path)


def test_values_are_never_repeated_in_a_fault(path: Path) -> None:
    assert "hunter2" not in "".join(faults(path, GOOD + "api: {tokens: [{name: hunter2 x, sha256: hunter2}]}\n"))


@pytest.mark.parametrize(
    ("name", "allowed"), [("alice", True), ("_x-1", True), ("Alice", False), ("a b", False), ("a\n", False)]
)
def test_user_names_match_as_a_whole(path: Path, name: str, allowed: bool) -> None:
    assert read(path, GOOD).clusters["main"].user_name_allowed(name) is allowed


def test_jobs_must_be_able_to_reach_a_keyhole(path: Path) -> None:
    (fault,) = faults(path, CLUSTER)
    assert "clusters.main has gateways, but neither it nor keyhole.public_urls names a keyhole URL" in fault
    own = CLUSTER + "    keyhole_urls: [https://middleware:4243]\n"
    assert read(path, own).clusters["main"].keyhole_urls == ("https://middleware:4243",)


def test_more_time_is_not_offered_unless_it_is_said(path: Path) -> None:
    def longest(text: str) -> int | None:
        return read(path, with_cluster(text)).clusters["main"].slurm.extend.longest

    assert longest("slurm: {}") is None
    assert longest("slurm: {extend: {maximum: 2h}}") is None
    assert longest("slurm: {extend: {allowed: true}}") == 1440
    assert longest("slurm: {extend: {allowed: true, maximum: 90s, run_as: null}}") == 1
    (fault,) = faults(path, with_cluster("slurm: {extend: {maximum: 30s}}"))
    assert "clusters.main.slurm.extend.maximum" in fault
