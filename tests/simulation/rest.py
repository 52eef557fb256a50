"""What must be true once the world has come to rest.  Each question answers with what is missing; empty: nothing."""

from bwvisu.domain.lifecycle import Phase
from keyhole.domain import LIVE
from keyhole.nat.model import Translation, trespassing
from tests.simulation.service import KEYS
from tests.simulation.world import World


def all_served(world: World) -> str:
    """What keeps somebody from being served; empty: nothing.  Where ports are short, some must wait."""
    invariants = world.invariants
    for job_id in invariants.specs:
        status = invariants.status.get(job_id)
        phase = Phase(status["phase"]) if status else Phase.NEW
        if phase is Phase.NEW and invariants.may_wait(job_id):
            continue
        if phase in {Phase.NEW, Phase.SUBMITTING, Phase.ENDING}:
            return f"{job_id} is {phase}"
        if phase is Phase.RUNNING and (what := not_ready(world, job_id)):
            return what
        if status and phase is not Phase.FINISHED and (what := wrong_time(world, job_id)):
            return what
    return wrong_rules(world)


def not_ready(world: World, job_id: str) -> str:
    """Why a running job is not available although it listens; empty: it need not be."""
    listens = [script for script in world.listeners.values() if script.job_id == job_id]
    return f"{job_id} listens and is not available" if listens else ""


def wrong_time(world: World, job_id: str) -> str:
    """Whether the run time that was last asked for has no answer, or another one than Slurm's; empty: neither."""
    wanted = world.invariants.specs[job_id].get("extension")
    status = world.invariants.status[job_id]
    answer = status.get("extension")
    if not wanted:
        return ""
    if not answer or answer["number"] != wanted["number"] or answer["state"] == "pending":
        return f"{job_id} has no answer for {wanted['minutes']} minutes"
    limit = world.limit(status["slurm"]["job_id"])
    if answer["state"] == "applied" and limit not in {None, wanted["minutes"]}:
        return f"{job_id} was given {wanted['minutes']} minutes and has {limit}"
    return ""


def wrong_rules(world: World) -> str:
    """I3: on every gateway exactly what the records want."""
    doors, time = world.invariants.doors, world.loop.time()
    for name, each in world.gateways.items():
        wanted = {
            forward.external_port: Translation(forward.internal_address, forward.internal_port, doors.now(job_id, time))
            for job_id, record in world.invariants.forwards.items()
            for grant in record.grants
            if grant.gateway == name and grant.phase in LIVE
            for forward in grant.forwards
        }
        if dict(each.ways()) != {port: way for port, way in wanted.items() if way.sources != frozenset()}:
            return f"{name} has {dict(each.ways())} instead of {wanted}"
        if inside := trespassing(frozenset(flow.known for flow in each.flows), wanted):
            return f"{name} goes on with {inside[0]}"
    return ""


def left_over(world: World) -> str:
    """What is left of jobs that all were ended; empty: nothing."""
    for job_id in world.invariants.specs:
        status = world.invariants.status.get(job_id)
        if world.live(job_id):
            return f"Slurm jobs {world.live(job_id)} of {job_id} live"
        if status is None or status["phase"] != Phase.FINISHED:
            return f"{job_id} is {status['phase'] if status else 'new'}"
    for name, each in world.gateways.items():
        if each.rules() or each.flows:
            return f"{name} still has {dict(each.rules())} {each.flows}"
    kinds = (
        {"forwards", "quota"}
        if world.time_was_wrong
        else {"forwards", "quota", "specs", "secrets", "status", "requests", "reports"}
    )
    kept = [key for key in world.etcd.entries if KEYS.kind_of(key) in kinds]
    return f"{kept[0]} is still kept" if kept else ""
