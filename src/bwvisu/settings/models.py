"""The whole settings file, section by section."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bwvisu.settings.cluster import ClusterSettings
from bwvisu.settings.portal import PortalSettings
from bwvisu.settings.tls import MetricsSettings, ServerTlsSettings, TrustedProxies
from bwvisu.settings.tokens import BasicSettings, TokenSettings, repeated, unique_tokens
from bwvisu.settings.types import Duration, Endpoint, Name, Port, Section, Text, Url, WholeSeconds, matching

Address = Annotated[str, matching(r"[^\s<>@]+@[A-Za-z0-9.-]+", "a mail address")]
ENVIRONMENT_PREFIX = "BWVISU_"
"""``BWVISU_API__PORT=4300`` overrides ``api.port``; lists and mappings are written as JSON."""


class EtcdTlsSettings(Section):
    """How etcd is met over TLS; PEM files."""

    ca_file: Path | None = None
    """Who may sign etcd's certificate; none: the system's authorities."""
    cert_file: Path | None = None
    """Our client certificate, where etcd asks for one."""
    key_file: Path | None = None
    """Its private key."""
    server_name: str | None = None
    """Name to expect in etcd's certificate instead of the endpoint's host."""

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        """gRPC ends the whole process for one without the other."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self


class EtcdSettings(Section):
    """Where all state lives."""

    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1)] = ("127.0.0.1:2379",)
    """Members as HOST:PORT."""
    prefix: Annotated[str, matching(r"(/[A-Za-z0-9._-]+)+", "a path such as /bwvisu, without a slash at its end")] = (
        "/bwvisu"
    )
    """All keys lie below; one prefix per installation."""
    timeout: Duration = 3
    """Deadline of every call; seconds."""
    tls: EtcdTlsSettings | None = None
    """Speak TLS; none: in the clear, for an etcd on the same host."""
    username: str | None = None
    """etcd's user, where authentication is on."""
    password_file: Path | None = None
    """File that holds this user's password."""


class RateSettings(Section):
    """How often one asker may ask one replica; more is answered by 429 with `Retry-After`."""

    requests_per_second: Annotated[int, Field(ge=1)] = 200
    """Of one token, on average ..."""
    burst: Annotated[int, Field(ge=1)] = 2000
    """... and so many at once."""
    stranger_requests_per_second: Annotated[int, Field(ge=1)] = 10
    """Without a good token, of one address: an IPv4 address, or an IPv6 network of 64 bits ..."""
    stranger_burst: Annotated[int, Field(ge=1)] = 200
    """... and so many at once."""


class ApiSettings(Section):
    """The REST API."""

    host: str = "0.0.0.0"  # noqa: S104 frontends are elsewhere; requests need a token
    """Address to listen on."""
    port: Port = 4242
    """Port to listen on."""
    tls: ServerTlsSettings | None = None
    """Serve HTTPS; none: HTTP, with TLS in front."""
    trusted_proxies: TrustedProxies = ()
    """Whose `X-Forwarded-For` is believed to name the asker; none: the address of the connection is."""
    rate: RateSettings = RateSettings()
    """How often one asker may ask."""
    tokens: Annotated[tuple[TokenSettings, ...], AfterValidator(unique_tokens)] = ()
    """Who may speak to it."""
    basic: tuple[BasicSettings, ...] = ()
    """Who may speak to it as to the original's API, by HTTP basic authentication."""
    streams: Annotated[int, Field(ge=1)] = 5000
    """Event streams that a replica serves at once; each takes a file descriptor."""
    stream_lifetime: Duration = 3600
    """A stream is ended after so long; its client goes on at whatever replica it meets, so that load spreads again."""

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Self:
        if twice := repeated([*{each.name for each in self.tokens}, *(each.name for each in self.basic)]):
            raise ValueError(f"two of tokens and basic have the same name {twice!r}")
        return self


class KeyholeSettings(Section):
    """The API that running jobs call."""

    host: str = "0.0.0.0"  # noqa: S104 compute nodes are elsewhere; requests are signed
    """Address to listen on."""
    port: Port = 4243
    """Port to listen on."""
    tls: ServerTlsSettings | None = None
    """Serve HTTPS; none: HTTP, with TLS in front."""
    trusted_proxies: TrustedProxies = ()
    """Whose `X-Forwarded-For` is believed to name the asker; none: the address of the connection is."""
    public_urls: tuple[Url, ...] = ()
    """URLs as compute nodes reach it, tried in turn; a cluster may have its own `keyhole_urls`."""
    ca_file: Path | None = None
    """Authority that compute nodes shall trust for these URLs; it travels in the batch script."""
    metrics: MetricsSettings | None = None
    """Where Prometheus asks it, which no job need reach; none: nowhere."""


class LeaderSettings(Section):
    """The one reconciler that acts."""

    ttl: WholeSeconds = 10
    """Seconds after which a leader that fell silent is replaced; a whole number."""
    metrics: MetricsSettings | None = None
    """Where Prometheus and probes ask each reconciler; none: nowhere, and it listens on nothing."""


class ApplicationSettings(Section):
    """Where application bundles lie."""

    path: Path = Path("job_templates")
    """One folder per application; read again when something changes."""


class RetentionSettings(Section):
    """How long things are kept."""

    finished: Duration = 7 * 86400
    """A finished job is shown for so long, then everything of it is forgotten."""


class SecretsSettings(Section):
    """How the secrets of jobs lie in etcd."""

    key_files: tuple[Path, ...] = ()
    """Keys of `bwvisu secrets create-key`, a file for each: the first seals, all of them open; none: secrets are stored
    as they are, which each role warns of."""


class MailSettings(Section):
    """Mail to those who want to be told of their jobs; sent by the leader."""

    host: Text
    """The SMTP server."""
    port: Port = 25
    """Its port; 587 for submission."""
    start_tls: bool = True
    """Begin TLS before anything is said; its certificate is checked."""
    ca_file: Path | None = None
    """Who may sign the certificate; none: the system's authorities."""
    user: str | None = None
    """Who logs in; none: nobody."""
    password_file: Path | None = None
    """File that holds this user's password."""
    sender: Address
    """In `From:` and on the envelope, e.g. `bwvisu@example.org`."""
    address: Annotated[
        str, matching(r"[^\s{}<>@]*\{user\}[^\s{}<>@]*@[A-Za-z0-9.-]+", "an address such as {user}@example.org")
    ]
    """Where a person reads mail; `{user}` in it becomes the user name."""
    timeout: Duration = 10
    """For each conversation with the server; seconds."""

    @model_validator(mode="after")
    def _a_user_has_a_password(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together")
        if self.user is not None and not self.start_tls:
            raise ValueError("a password is not sent in the clear: set start_tls")
        return self


class TracingSettings(Section):
    """A trace of each job, from its request to its first page, sent by the leader."""

    url: Url
    """Where the collector takes OTLP over HTTP, e.g. `http://collector:4318/v1/traces`."""
    ca_file: Path | None = None
    """Who may sign its certificate; none: the system's authorities."""
    token_file: Path | None = None
    """File that holds a bearer token for it; none: it asks for none."""
    timeout: Duration = 10
    """For each request; seconds."""


class Settings(BaseSettings):
    """Everything that can be set.  `load` reads it; built directly, it takes its arguments and the environment."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        env_prefix=ENVIRONMENT_PREFIX,
        env_nested_delimiter="__",
        nested_model_default_partial_update=True,
    )

    etcd: EtcdSettings = EtcdSettings()
    """Where all state lives."""
    api: ApiSettings = ApiSettings()
    """The REST API: `bwvisu serve api`."""
    keyhole: KeyholeSettings = KeyholeSettings()
    """The API that running jobs call: `bwvisu serve keyhole`."""
    leader: LeaderSettings = LeaderSettings()
    """The one reconciler that acts: `bwvisu serve reconciler`."""
    clusters: Annotated[Mapping[Name, ClusterSettings], Field(min_length=1)]
    """The clusters by name; the first one is meant where a request names none."""
    applications: ApplicationSettings = ApplicationSettings()
    """What can be started."""
    retention: RetentionSettings = RetentionSettings()
    """How long things are kept."""
    secrets: SecretsSettings = SecretsSettings()
    """How the secrets of jobs lie in etcd."""
    mail: MailSettings | None = None
    """Mail to those who want to be told of their jobs; none: it is not sent."""
    tracing: TracingSettings | None = None
    """Traces in the form of OpenTelemetry; none: they are not drawn."""
    portal: PortalSettings | None = None
    """The web pages: `bwvisu serve portal`; none: there are none."""

    @model_validator(mode="after")
    def _jobs_can_reach_a_keyhole(self) -> Self:
        for name, cluster in self.clusters.items():
            if cluster.gateways and not (cluster.keyhole_urls or self.keyhole.public_urls):
                raise ValueError(
                    f"clusters.{name} has gateways, but neither it nor keyhole.public_urls names a keyhole URL"
                )
        return self

    @model_validator(mode="after")
    def _a_gateway_has_one_master(self) -> Self:
        """Its rules are one table per address family, and whoever loads it removes what is not wanted there."""
        masters: dict[object, str] = {}
        for name, cluster in self.clusters.items():
            for gateway in cluster.gateways:
                own = f"{name}.{gateway.name}"
                for place in ((gateway.host, gateway.port, gateway.external_ip.version), gateway.external_ip):
                    if (other := masters.setdefault(place, own)) != own:
                        raise ValueError(f"the gateways {other} and {own} are one host; let it serve one cluster")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the names of all arguments are pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what is handed in, which is the file; nothing else is read."""
        return env_settings, init_settings
