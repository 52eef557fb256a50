"""Settings: one YAML file, each key overridable by an environment variable, every fault told in one line.

Law: models say what may be set, in which unit and why; nothing is read at import.  Secrets are never
values here, only paths of files or SHA-256 sums.  A key that has no effect does not exist.  Conversions to
the types of ``domain`` and ``keyhole.domain`` are methods of the models.
"""

from bwvisu.settings.cluster import (
    ClusterSettings,
    ForwardSettings,
    GatewaySettings,
    IdleStopSettings,
    NodeSettings,
    SlurmSettings,
    SshSettings,
    UserSettings,
)
from bwvisu.settings.files import named_files, unreadable_files
from bwvisu.settings.load import DEFAULT_PATH, SettingsError, load, settings_path
from bwvisu.settings.models import (
    ApiSettings,
    ApplicationSettings,
    EtcdSettings,
    EtcdTlsSettings,
    KeyholeSettings,
    LeaderSettings,
    MailSettings,
    RateSettings,
    RetentionSettings,
    SecretsSettings,
    Settings,
)
from bwvisu.settings.portal import LdapAuth, LocalAuth, LocalUser, OidcAuth, PortalSettings, SiteSettings, UserMapping
from bwvisu.settings.tls import MetricsSettings, ServerTlsSettings
from bwvisu.settings.tokens import BasicSettings, TokenSettings, expired_tokens

__all__ = [
    "DEFAULT_PATH",
    "ApiSettings",
    "ApplicationSettings",
    "BasicSettings",
    "ClusterSettings",
    "EtcdSettings",
    "EtcdTlsSettings",
    "ForwardSettings",
    "GatewaySettings",
    "IdleStopSettings",
    "KeyholeSettings",
    "LdapAuth",
    "LeaderSettings",
    "LocalAuth",
    "LocalUser",
    "MailSettings",
    "MetricsSettings",
    "NodeSettings",
    "OidcAuth",
    "PortalSettings",
    "RateSettings",
    "RetentionSettings",
    "SecretsSettings",
    "ServerTlsSettings",
    "Settings",
    "SettingsError",
    "SiteSettings",
    "SlurmSettings",
    "SshSettings",
    "TokenSettings",
    "UserMapping",
    "UserSettings",
    "expired_tokens",
    "load",
    "named_files",
    "settings_path",
    "unreadable_files",
]
