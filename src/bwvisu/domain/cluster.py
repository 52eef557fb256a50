"""What is known of a cluster and its users, beside its jobs."""

from datetime import datetime

from bwvisu.domain.job import Record


class ClusterUser(Record):
    """The record ``users/{cluster}/{user}``: what the cluster answered about an account.  Written by the leader."""

    name: str
    exists: bool
    home: str = ""
    uid: int | None = None
    refused: str = ""
    """Why an existing account may not be used (a system account); empty: it may."""
    checked_at: datetime


class UserLookup(Record):
    """The record ``lookups/{cluster}/{user}``: the API asks the leader about an account."""

    asked_at: datetime


class NodeView(Record):
    """One command node or gateway as the leader last saw it."""

    name: str
    reachable: bool
    detail: str = ""


class GatewayView(NodeView):
    """One gateway as the leader last saw it."""

    forwards: int = 0
    """Ports of it that lead to jobs."""
    drained: bool = False
    """It takes no new forwards."""
    vacated: bool = False
    """What it carries moves to other gateways, as far as there is room."""
    connections: int | None = None
    """Users' connections through its ports; None: they could not be listed."""
    bytes_in: int | None = None
    """From users, since the present leader looked first; None: not counted."""
    bytes_out: int | None = None


class PartitionView(Record):
    """One partition as Slurm last told of it."""

    name: str
    state: str
    """Slurm's word, in lower case: `up`, `down`, `drain`, `inactive`."""
    is_default: bool = False
    time_limit: int | None = None
    """Seconds that a job may ask for; None: unlimited."""
    nodes: int = 0
    """How many it has, whatever their state."""


class Drain(Record):
    """The record ``gateways/{cluster}/{gateway}``: an administrator wants it to take no new forwards."""

    by: str
    """Name of the token that asked."""
    at: datetime
    move: bool = False
    """What it carries is to be moved to others, too."""


class ClusterView(Record):
    """The record ``clusters/{name}``: what the leader last saw of a cluster."""

    name: str
    command_nodes: tuple[NodeView, ...] = ()
    gateways: tuple[GatewayView, ...] = ()
    looked_at: datetime | None = None
    """End of the last complete look."""
    detail: str = ""
    """Why the last look was not complete; empty: it was."""
    partitions: tuple[PartitionView, ...] | None = None
    """As they were last told of, by whichever leader; None: they never were."""


class Installation(Record):
    """The record ``installation``: drawn once, so that names and gateway rules of two installations never meet."""

    id: str
    generation: int = 1
    """Raised after the store was restored from a backup, since its revisions then run backwards."""
    release: str = ""
    """The release of bwVisu that led last; empty: none that notes it has led."""
    store_format: int = 1
    """What a release must know to run with this store, see `STORE_FORMAT`."""


STORE_FORMAT = 1
"""What this release knows of what lies in the store.  It grows only when older releases must not run any more: by their
records that is hardly ever so, see `bwvisu.adapters.formats`."""
