"""What the ledger asks of one gateway, and what may be written once the gateway has confirmed it.  Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keyhole.domain import LIVE, Forward, Grant, GrantPhase, JobForwards
from keyhole.interfaces import Versioned
from keyhole.nat.model import Table, Target
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
    desired: dict[int, Target] = field(default_factory=dict)
    closing: dict[int, Target] = field(default_factory=dict)
    moving: list[Versioned] = field(default_factory=list)
    """Records with a grant that waits for the gateway's confirmation."""
    named: set[int] = field(default_factory=set)
    """Ports that records name, in whatever phase."""
    unread: bool = False
    """There are records that cannot be read: what nobody names may be theirs."""

    @classmethod
    def of(
        cls, forwards: Mapping[str, Versioned], gateway: str, *, unread: bool = False, names: bool = False
    ) -> "Work":
        """Pick the share of ``gateway``; ``names``: it tells forwards apart by their host names."""
        work = cls(gateway, unread=unread)
        for versioned in forwards.values():
            own = [grant for grant in versioned.record.grants if grant.gateway == gateway]
            for grant in own:
                work._add(grant, names=names)
            if any(grant.phase in {GrantPhase.RESERVED, GrantPhase.CLOSING} for grant in own):
                work.moving.append(versioned)
        return work

    def _add(self, grant: Grant, *, names: bool) -> None:
        table = {
            each.external_port: Target(each.internal_address, each.internal_port, _name(grant, each) if names else "")
            for each in grant.forwards
        }
        self.named.update(table)
        if grant.phase in LIVE:
            self.desired.update(table)
        elif grant.phase is GrantPhase.CLOSING:
            self.closing.update(table)

    def held(self, carried: Table) -> Table:
        """What the gateway carries and must go on carrying, since it may belong to a record that cannot be read."""
        return {port: target for port, target in carried.items() if self.unread and port not in self.named}

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
        own = [grant.phase for grant in before if grant.gateway == self.gateway and grant.phase in moves]
        after = tuple(
            in_phase(grant, moves[grant.phase]) if grant.gateway == self.gateway and grant.phase in moves else grant
            for grant in before
        )
        record = versioned.record.model_copy(update={"grants": after})
        opened, closed = own.count(GrantPhase.RESERVED), own.count(GrantPhase.CLOSING)
        return Confirmation(record, versioned.revision, opened, closed) if own else None


def _name(grant: Grant, forward: Forward) -> str:
    """What the proxy is asked for; empty where the grant is from before there was one, and leads nobody anywhere."""
    return grant.public(forward)[0].lower() if grant.public_port else ""
