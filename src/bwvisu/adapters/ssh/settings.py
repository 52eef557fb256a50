"""Whom the wire talks to, and its limits.  Times are seconds."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One account on one host; connections are shared by all who name the same."""

    host: str
    user: str
    port: int = 22

    def __str__(self) -> str:
        return f"{self.user}@{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How connections are made and kept."""

    key_file: Path
    known_hosts: Path
    """Host keys, as OpenSSH writes them.  There is no way to switch the check off."""
    connect_timeout: float = 5.0
    """TCP, key exchange and login together."""
    keepalive_interval: float = 5.0
    keepalive_count: int = 3
    """A connection that is silent for interval x count is dead."""
    sessions: int = 6
    """At once, per connection: sshd's MaxSessions 10 frees its slots late (measured: 8 fail sometimes, 6 never)."""
    backoff_first: float = 1.0
    backoff_limit: float = 5.0
    """After a failed connect the node is left alone for this long: doubled each time, up to the limit."""
