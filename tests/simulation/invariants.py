"""What must hold at every moment (I1 to I8 of the specification), checked where the world changes.

Whoever breaks one ends the simulation at that very step.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from bwvisu.adapters.etcd import Committed, Condition, Conflict, Operation, Put
from bwvisu.domain.lifecycle import Outcome, Phase
from bwvisu.settings.cluster import LimitSettings
from keyhole.domain import Fence, GrantPhase, JobForwards, Run
from keyhole.nat.model import Target, Translation
from tests.simulation.beliefs import Beliefs
from tests.simulation.discretion import Discretion
from tests.simulation.doors import Doors
from tests.simulation.idleness import Idleness
from tests.simulation.moves import Moves
from tests.simulation.service import EPOCH, KEYS, QUARANTINE
from tests.simulation.steps import reachable

LEADERS_OWN = frozenset({"status", "forwards", "users", "clusters", "notices"})


class Violation(Exception):
    """An invariant was broken."""


class Invariants:
    """Keeps what it needs of the past; ``now``: seconds since the world began."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.specs: dict[str, Mapping[str, Any]] = {}
        """Every job that was ever accepted."""
        self.status: dict[str, Mapping[str, Any]] = {}
        self.forwards: dict[str, JobForwards] = {}
        self.submitted: dict[str, list[tuple[int, int]]] = defaultdict(list)
        """Job id -> (attempt, Slurm job id) of all its Slurm jobs."""
        self.hosts: dict[tuple[str, Run], set[str]] = defaultdict(set)
        """(job id, run) -> every host that Slurm gave it."""
        self.beliefs = Beliefs(now)
        self.moves = Moves(now)
        self.discretion = Discretion()
        self.idleness = Idleness(now)
        self.live: Callable[[str], Iterable[tuple[int, int]]] = lambda _: ()
        """(attempt, Slurm job id) of a job's Slurm jobs that run or wait."""
        self.times: dict[str, set[int]] = defaultdict(set)
        """Job id -> minutes that were ever asked for."""
        self.limit: Callable[[int], int | None] = lambda _: None
        """Minutes that a Slurm job has in all, while it waits or runs."""
        self.flows: Callable[[str], Iterable[tuple[int, Target]]] = lambda _: ()
        """Connections through a gateway: external port, where they lead."""
        self.leader: Callable[[], str | None] = lambda: None
        """Who holds the leader's key."""
        self.errors: Callable[[str], Iterable[float]] = lambda _: (0.0,)
        """Seconds by which the wall clock of a service was ever wrong."""
        self.doors = Doors()
        """Who was ever admitted."""
        self.limits = LimitSettings()
        """What one person may have."""
        self.broken = ""
        """What was broken first."""
        self._rule_gone: dict[tuple[str, int], float] = {}
        self._rules: dict[str, Mapping[int, Target]] = {}
        self._ways: dict[str, Mapping[int, Translation]] = {}
        self._fences: dict[str, Fence] = {}

    def breach(self, what: str) -> None:
        """Note what was broken; `check` ends the simulation for it, outside of whoever would catch an error here."""
        self.broken = self.broken or what

    def check(self) -> None:
        """Raise `Violation` if anything was broken."""
        if self.broken:
            raise Violation(self.broken)

    # ---- the store --------------------------------------------------------------------------------------------

    def committed(
        self,
        client: str,
        conditions: Iterable[Condition],
        operations: Iterable[Operation],
        result: Committed | Conflict,
    ) -> None:
        """A transaction was carried out."""
        del conditions
        if not isinstance(result, Committed):
            return
        for operation in operations:
            key = operation.prefix if not hasattr(operation, "key") else operation.key
            kind = KEYS.kind_of(key)
            if kind in LEADERS_OWN and client != (leader := self.leader()):
                self.breach(f"{client} wrote {key} although {leader or 'nobody'} leads")
            if not isinstance(operation, Put):
                self._stored(kind, KEYS.tail(key), None)
            elif kind == "secrets":
                self.discretion.learn(KEYS.tail(key), operation.value)
            else:
                self.overheard(f"the record {key}", operation.value.decode())
                value = json.loads(operation.value)
                if kind == "forwards":
                    self._moved(client, KEYS.tail(key), JobForwards.model_validate(value))
                self._stored(kind, KEYS.tail(key), value)
                if kind == "clusters" and value["looked_at"]:
                    self._seen(client, value)

    def overheard(self, where: str, text: str) -> None:
        """I6: nothing secret is where others can read it."""
        if owner := self.discretion.betrayed(text):
            self.breach(f"{where} holds a secret of {owner}")

    def _seen(self, client: str, view: Mapping[str, Any]) -> None:
        """I7: "could not look" is never taken for a look."""
        at = datetime.fromisoformat(view["looked_at"]).timestamp() - EPOCH
        if self.beliefs.imagined(at - error for error in self.errors(client)):
            self.breach(f"{client} says that it saw all of {view['name']} at {at:.3f}, when no complete look came")

    def promised(self, job_id: str) -> None:
        """I8: what a person is told to be accepted is kept, whoever dies now."""
        if job_id not in self.specs:
            self.breach(f"{job_id} was promised and is not kept")

    def _stored(self, kind: str, tail: str, value: Any) -> None:
        match kind:
            case "specs":
                self._spec_stored(tail, value)
            case "status":
                self._status_stored(tail, value)
            case "admissions":
                self.doors.stored(tail, value)
            case "gateways":
                self.moves.ordered(tail.partition("/")[2], bool(value and value["move"]))
            case "forwards":
                record = JobForwards.model_validate(value) if value else JobForwards(job_id=tail)
                self._forwards_stored(tail, record)

    def _spec_stored(self, job_id: str, value: Any) -> None:
        if value is None:
            if self.status.get(job_id, {}).get("phase") != Phase.FINISHED:
                self.breach(f"{job_id} was forgotten before its end")
            return
        known = job_id in self.specs
        self.idleness.kept(job_id, self.specs.get(job_id), value)
        self.specs[job_id] = value
        if not known:
            self._accepted(value["user"])
        if value.get("extension"):
            self.times[job_id].add(value["extension"]["minutes"])

    def _accepted(self, user: str) -> None:
        """Limits hold in the transaction that accepts a job."""
        most, unfinished = self.limits.running_per_user, self._unfinished(user)
        if most is not None and len(unfinished) > most + self.limits.waiting_per_user:
            self.breach(f"{user} has {len(unfinished)} jobs: {unfinished}")

    def _unfinished(self, user: str) -> list[str]:
        return [
            job_id
            for job_id, spec in self.specs.items()
            if spec["user"] == user and self.status.get(job_id, {}).get("phase") != Phase.FINISHED
        ]

    def in_slurm(self, user: str) -> list[str]:
        """Unfinished jobs of a person that Slurm has."""
        return [job_id for job_id in self._unfinished(user) if any(self.live(job_id))]

    def may_wait(self, job_id: str) -> bool:
        """Whether its owner has as many jobs in Slurm as are allowed."""
        most = self.limits.running_per_user
        return most is not None and len(self.in_slurm(self.specs[job_id]["user"])) >= most

    def _status_stored(self, job_id: str, value: Mapping[str, Any] | None) -> None:
        """I1, I2, I7: steps of the table only; nothing ends while it lives, or is given up without having looked."""
        before = self.status.get(job_id, {"phase": Phase.NEW})
        if value is None:
            if before["phase"] != Phase.FINISHED:
                self.breach(f"{job_id} was forgotten while {before['phase']}")
            return
        self.status[job_id] = value
        self._idle_stopped(job_id, before, value)
        step = Phase(before["phase"]), Phase(value["phase"])
        if step[0] is not step[1] and not reachable(*step):
            self.breach(f"{job_id} went from {step[0]} to {step[1]}")
        if step[0] is Phase.FINISHED and value["outcome"] != before["outcome"]:
            self.breach(f"{job_id} ended as {before['outcome']}, then as {value['outcome']}")
        if step[1] is Phase.FINISHED and step[0] is not Phase.FINISHED:
            self._ended(job_id, value)
        if before.get("attempt"):
            self._given_up(job_id, before, value)
        if value["extension"] is not None and value["extension"] != before.get("extension"):
            self._time_answered(job_id, value)

    def _idle_stopped(self, job_id: str, *statuses: Mapping[str, Any]) -> None:
        forwards = self.forwards.get(job_id, JobForwards(job_id=job_id))
        if why := self.idleness.unjust(job_id, self.specs[job_id], forwards, *statuses):
            self.breach(f"{job_id} is stopped because nobody uses it, though {why}")

    def _time_answered(self, job_id: str, value: Mapping[str, Any]) -> None:
        """What is said to be applied is so, unless another time was asked for meanwhile."""
        wanted, answer = self.specs[job_id]["extension"], value["extension"]
        if answer["state"] == "applied" and answer["number"] == wanted["number"]:
            limit = self.limit(value["slurm"]["job_id"])
            if limit not in {None, wanted["minutes"]}:
                self.breach(f"{job_id} is said to have {wanted['minutes']} minutes and has {limit}")

    def _ended(self, job_id: str, value: Mapping[str, Any]) -> None:
        alive = [number for attempt, number in self.live(job_id) if attempt == value["attempt"]]
        if alive:
            self.breach(f"{job_id} was said to be {value['outcome']} while Slurm job {alive[0]} lives: {value}")

    def _given_up(self, job_id: str, before: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        lost = value["outcome"] == Outcome.LOST != before["outcome"]
        why = self.beliefs.unfounded(job_id, before["attempt"])
        if why and (lost or value["attempt"] > before["attempt"]):
            self.breach(f"{job_id} attempt {before['attempt']} was given up although {why}")

    def _forwards_stored(self, job_id: str, record: JobForwards) -> None:
        """I4, I5: one owner for each port; nothing is reused too early; hosts are the job's own."""
        before = self.forwards.get(job_id, JobForwards(job_id=job_id))
        known = {(grant.gateway, each.external_port) for grant in before.grants for each in grant.forwards}
        self.forwards[job_id] = record
        for grant in record.grants:
            for each in grant.forwards:
                if (grant.gateway, each.external_port) not in known:
                    self._given(job_id, grant.run, grant.gateway, each.external_port, each.internal_host)
            if grant.phase is GrantPhase.QUARANTINED:
                self._cut(job_id, grant.gateway, {each.external_port: each for each in grant.forwards})
        self._one_owner()

    def _moved(self, client: str, job_id: str, record: JobForwards) -> None:
        """I4, I5: what moves is as it was, but for the gateway, and only where that is left."""
        if why := self.moves.unfounded(client, self.forwards.get(job_id, JobForwards(job_id=job_id)), record):
            self.breach(f"{job_id}: {why}")

    def _one_owner(self) -> None:
        """A run that has moved owns its inner ports by several grants."""
        owners: dict[tuple[str, int], str] = {}
        for job_id, record in self.forwards.items():
            for grant in record.grants:
                for each in grant.forwards:
                    owner = f"{job_id} {grant.run}"
                    for place in ((grant.gateway, each.external_port), (each.internal_address, each.internal_port)):
                        known = owners.get(place, "")
                        if known and (known, place[0]) != (owner, each.internal_address):
                            self.breach(f"{place} belongs to {known} and to {owner}")
                        owners[place] = owner

    def _given(self, job_id: str, run: Run, gateway: str, port: int, host: str) -> None:
        if host not in self.hosts[job_id, run]:
            self.breach(f"{job_id} run {run} got a forward to {host}, where it has never run")
        gone = self._rule_gone.get((gateway, port))
        if port in self._rules.get(gateway, {}):
            self.breach(f"{gateway}:{port} was given to {job_id} while it still leads elsewhere")
        if gone is not None and self.now() - gone < QUARANTINE - 0.1:
            self.breach(f"{gateway}:{port} was given to {job_id} {self.now() - gone:.1f} s after its last use")

    def _cut(self, job_id: str, gateway: str, ports: Mapping[int, Any]) -> None:
        ways = [("a connection through", self.flows(gateway)), ("a rule of", self._rules.get(gateway, {}).items())]
        for what, port, target in ((what, *way) for what, found in ways for way in found):
            each = ports.get(port)
            if each is not None and target == Target(each.internal_address, each.internal_port):
                self.breach(f"{job_id} was quarantined while {what} {gateway}:{port} lives")

    # ---- gateways ---------------------------------------------------------------------------------------------

    def rules_changed(self, gateway: str, ways: Mapping[int, Translation]) -> None:
        """I3, I4: what a gateway is loaded with belongs to somebody, and nothing is loaded for the dead."""
        rules = {port: way.target for port, way in ways.items()}
        before = self._rules.get(gateway, {})
        for port in before.keys() - rules.keys():
            self._rule_gone[gateway, port] = self.now()
        for port, target in rules.items():
            if before.get(port) != target and not self._owned(gateway, port, target):
                self.breach(f"{gateway}:{port} now leads to {target}, which no record says")
            strangers = self.doors.left_open(self.owner(gateway, port), ways[port])
            if strangers and ways[port] != self._ways.get(gateway, {}).get(port):
                self.breach(f"{gateway}:{port} lets in {strangers}, whom no record has admitted")
        self._rules[gateway], self._ways[gateway] = rules, ways

    def owner(self, gateway: str, port: int) -> str:
        """Whose the port is by the records; empty: nobody's."""
        return next((job_id for job_id in self.forwards if self._owns(job_id, gateway, port)), "")

    def _owned(self, gateway: str, port: int, target: Target) -> bool:
        return any(
            grant.gateway == gateway
            and grant.phase is not GrantPhase.QUARANTINED
            and any(
                each.external_port == port and Target(each.internal_address, each.internal_port) == target
                for each in grant.forwards
            )
            for record in self.forwards.values()
            for grant in record.grants
        )

    def loaded(self, gateway: str, fence: Fence) -> None:
        """Fault 11: a gateway never obeys an earlier leader."""
        if fence < self._fences.get(gateway, fence):
            self.breach(f"{gateway} obeyed {fence} after {self._fences[gateway]}")
        self._fences[gateway] = fence

    def listening(self, job_id: str, target: Target, gateways: Iterable[str]) -> None:
        """I4: nobody reaches the next tenant of a port through what was the last one's."""
        for gateway in gateways:
            ways = [*self._rules.get(gateway, {}).items(), *self.flows(gateway)]
            for port, leads in ways:
                if leads == target and not self._owns(job_id, gateway, port):
                    self.breach(f"{gateway}:{port} of another job leads to {job_id} at {target}")

    def _owns(self, job_id: str, gateway: str, port: int) -> bool:
        record = self.forwards.get(job_id)
        return record is not None and any(
            grant.gateway == gateway and any(each.external_port == port for each in grant.forwards)
            for grant in record.grants
        )

    # ---- Slurm ------------------------------------------------------------------------------------------------

    def time_set(self, job_id: str, minutes: int) -> None:
        """A run time is given to our own jobs only (empty: it is none), only one that was asked for, and not late."""
        if minutes not in self.times[job_id]:
            self.breach(f"Slurm was told to give {minutes} minutes to {job_id or 'a foreign job'}")
            return
        wanted, answer = self.specs[job_id]["extension"], self.status[job_id]["extension"]
        if answer["number"] == wanted["number"] and answer["state"] == "applied":
            self.breach(f"{job_id} was given {minutes} minutes after {wanted['minutes']} were said to be applied")

    def slurm_took(self, job_id: str, attempt: int, number: int, *, whole: bool) -> None:
        """I2: one Slurm job for each accepted request.

        A later attempt is only for one that never became a job; or whose submission came through so late that nobody
        could know (fault 3): then the earlier one is the stray, and was taken second.
        """
        if not whole:
            self.breach(f"Slurm job {number} of {job_id} has half a script")
        most, beside = self.limits.running_per_user, self.in_slurm(self.specs[job_id]["user"])
        if most is not None and len(beside) > most:
            self.breach(f"Slurm was given {job_id} beside {beside}, where {most} are allowed")
        earlier = self.submitted[job_id]
        if any(other <= attempt for other, _ in earlier):
            self.breach(f"{job_id} attempt {attempt} has two Slurm jobs: {[*earlier, (attempt, number)]}")
        earlier.append((attempt, number))
