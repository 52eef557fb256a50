"""Accounts that are not found: by a directory that is away for a moment, or because there are none."""

from collections.abc import Sequence

import pytest

from bwvisu.adapters.slurm import account
from bwvisu.domain.lifecycle import Outcome, Phase
from tests.simulation.host import Program, Streams
from tests.simulation.people import Person
from tests.simulation.scenario import Scene, simulated

NOT_FOUND = "\nbwvisu-account\nbwvisu-passwd rc=2\nbwvisu-groups\n"
"""What the account's script prints on a node whose sssd is down (measured), as for a user who does not exist."""
A_MINUTE = 60.0


async def accepted_unasked(scene: Scene) -> Person:
    """A job that was accepted while no command node answered."""
    for node in scene.command_nodes.values():
        node.hanging = True
    person = await scene.wanted()
    for node in scene.command_nodes.values():
        node.hanging = False
    return person


def without_directory(scene: Scene, *names: str) -> list[str]:
    """These command nodes find nobody from now on; who is asked for an account."""
    asked: list[str] = []

    def wrap(name: str, real: Program) -> Program:
        async def run(args: Sequence[str], streams: Streams) -> int:
            if account.SCRIPT not in args:
                return await real(args, streams)
            asked.append(name)
            if name not in names:
                return await real(args, streams)
            streams.say(NOT_FOUND)
            return 0

        return run

    for name, node in scene.command_nodes.items():
        node.programs["sh"] = wrap(name, node.programs["sh"])
    return asked


@simulated
async def test_one_answer_of_a_directory_that_is_away_ends_no_job(scene: Scene) -> None:
    async def away(_: Program, args: Sequence[str], streams: Streams) -> int:
        assert account.SCRIPT in args
        streams.say(NOT_FOUND)
        return 0

    scene.once("sh", away, text=account.SCRIPT)
    person = await accepted_unasked(scene)
    await scene.until(lambda: scene.reason(person) == "user-not-found", "it says why it waits")
    assert scene.phase(person) is Phase.NEW
    await scene.reaches(person, Phase.READY)


@pytest.mark.parametrize("away", ["c1", "c2"])
@simulated
async def test_one_command_node_without_its_directory_ends_no_job(scene: Scene, away: str) -> None:
    """The other one is asked before the account is taken for none."""
    asked = without_directory(scene, away)
    person = await accepted_unasked(scene)
    await scene.reaches(person, Phase.READY)
    assert asked[-1] != away


@simulated
async def test_a_user_who_does_not_exist_is_rejected_within_a_minute(scene: Scene) -> None:
    asked = without_directory(scene)
    scene.slurm.vanish("alice")
    person = await accepted_unasked(scene)
    await scene.reaches(person, Phase.FINISHED, A_MINUTE)
    assert (scene.status(person).outcome, scene.reason(person)) == (Outcome.REJECTED, "unknown-user")
    assert set(asked) == set(scene.command_nodes)


@pytest.mark.parametrize("back", [True, False])
@simulated
async def test_fault_32_an_owner_whom_sudo_does_not_find_is_asked_for_again(scene: Scene, back: bool) -> None:
    """The account was known a moment ago: its directory may be away, or it was deleted."""
    await scene.served()
    users = dict(scene.slurm.users)
    scene.slurm.vanish("alice")
    person = await scene.wanted()
    await scene.until(lambda: scene.reason(person) == "user-not-found", "it says why it waits")
    assert not scene.taken(person)
    if back:
        scene.slurm.users.update(users)
        await scene.reaches(person, Phase.READY)
        return
    await scene.reaches(person, Phase.FINISHED, A_MINUTE)
    assert (scene.status(person).outcome, scene.reason(person)) == (Outcome.REJECTED, "unknown-user")
    scene.slurm.users.update(users)
