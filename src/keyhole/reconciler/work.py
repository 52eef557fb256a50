"""What the ledger asks of one gateway, and what may be written once the gateway has confirmed it.  Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from keyhole.domain import LIVE, Family, Forward, Grant, GrantPhase, JobForwards, Sources
from keyhole.interfaces import Versioned
from keyhole.nat.model import Table, Translation
from keyhole.retirement import in_phase


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A record as it is after the gateway's confirmation, the revision that it replaces, and how many grants moved."""

    record: JobForwards
    revision: int
    opened: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Work:
    """One gateway's share of all records: the wanted forwards, and those whose connections must end."""

    gateway: str
    family: Family = 4
    desired: dict[int, Translation] = field(default_factory=dict)
    closing: dict[int, Translation] = field(default_factory=dict)
    moving: list[Versioned] = field(default_factory=list)
    """Records with a grant that waits for the gateway's confirmation."""
    stranded: set[str] = field(default_factory=set)
    """Jobs with a grant, in whatever phase, from when the gateway was of the other family: it can neither carry nor
    cut that, and so confirms nothing of it."""
    named: set[int] = field(default_factory=set)
    """Ports that records name, in whatever phase."""
    unread: bool = False
    """There are records that cannot be read: what nobody names may be theirs."""

    bound: bool = False
    """New connections pass from admitted sources only."""

    @classmethod
    def of(
        cls,
        forwards: Mapping[str, Versioned],
        gateway: str,
        family: Family = 4,
        *,
        unread: bool = False,
        admitted: Callable[[str], Sources] | None = None,
        names: bool = False,
    ) -> "Work":
        """Pick the share of ``gateway``, which carries ``family``.

        ``admitted``: from where a job is entered now; None: whoever knows an address may enter.  ``names``: the
        gateway tells forwards apart by their host names.
        """
        work = cls(gateway, family, unread=unread, bound=admitted is not None)
        for versioned in forwards.values():
            own = [grant for grant in versioned.record.grants if grant.gateway == gateway]
            sources = admitted(versioned.record.job_id) if admitted and own else None
            for grant in own:
                work._add(versioned.record.job_id, grant, sources, names=names)
            if any(grant.phase in {GrantPhase.RESERVED, GrantPhase.CLOSING} for grant in own):
                work.moving.append(versioned)
        return work

    def _add(self, job_id: str, grant: Grant, sources: Sources, *, names: bool) -> None:
        table = {
            each.external_port: Translation(
                each.internal_address, each.internal_port, sources, _name(grant, each) if names else ""
            )
            for each in grant.forwards
        }
        self.named.update(table)
        if not grant.leads(self.family):
            self.stranded.add(job_id)
        elif grant.phase in LIVE:
            self.desired.update(table)
        elif grant.phase is GrantPhase.CLOSING:
            self.closing.update(table)

    def held(self, carried: Table) -> Table:
        """What the gateway carries and must go on carrying, since it may belong to a record that cannot be read.

        Whose it is is not known, so that nobody is admitted beside those who are, and nobody where all were.
        """
        held = {port: way for port, way in carried.items() if self.unread and port not in self.named}
        if not self.bound:
            return {port: way._replace(sources=None) for port, way in held.items()}
        return {port: way._replace(sources=way.sources or frozenset()) for port, way in held.items()}

    def holding(self, held: Table) -> "Work":
        """The same with these left as they are."""
        return replace(self, desired={**self.desired, **held}) if held else self

    def confirmations(self, *, cut: bool) -> list[Confirmation]:
        """What may be written now that ``desired`` is loaded; ``cut``: and the connections of ``closing`` are cut."""
        moves = {GrantPhase.RESERVED: GrantPhase.OPEN}
        if cut:
            moves[GrantPhase.CLOSING] = GrantPhase.QUARANTINED
        return [each for each in (self._moved(versioned, moves) for versioned in self.moving) if each]

    def _moved(self, versioned: Versioned, moves: Mapping[GrantPhase, GrantPhase]) -> Confirmation | None:
        before = versioned.record.grants
        confirmed = [
            each.gateway == self.gateway and each.phase in moves and each.leads(self.family) for each in before
        ]
        own = [grant.phase for grant, yes in zip(before, confirmed, strict=True) if yes]
        after = tuple(
            in_phase(grant, moves[grant.phase]) if yes else grant for grant, yes in zip(before, confirmed, strict=True)
        )
        record = versioned.record.model_copy(update={"grants": after})
        opened, closed = own.count(GrantPhase.RESERVED), own.count(GrantPhase.CLOSING)
        return Confirmation(record, versioned.revision, opened, closed) if own else None


def _name(grant: Grant, forward: Forward) -> str:
    """What the proxy is asked for; empty where the grant is from before there was one, and leads nobody anywhere."""
    return grant.public(forward)[0].lower() if grant.public_port else ""
