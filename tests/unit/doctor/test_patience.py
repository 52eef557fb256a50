"""A host that is left alone for a moment is not called unreachable."""

import pytest

from bwvisu.adapters.ssh import Command, Completed, Conversation, Node, Outcome
from bwvisu.doctor import patience
from bwvisu.doctor.patience import PatientWire
from bwvisu.domain.observation import NotStarted

NODE = Node("cmd1", "bwvisu")
ALONE = NotStarted("left alone for another 1.0 s", tried=False)
DONE = Completed(0, b"", b"")


class Wire:
    """Answers as it is told, one after the other."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.asked: list[Command | Conversation] = []

    async def run(self, node: Node, command: Command) -> Outcome:
        return self._next(node, command)

    async def converse(self, node: Node, conversation: Conversation) -> Outcome:
        return self._next(node, conversation)

    def _next(self, node: Node, what: Command | Conversation) -> Outcome:
        assert node is NODE
        self.asked.append(what)
        return self.outcomes.pop(0)

    def failing(self, node: Node) -> str:
        return str(node)

    def warm(self, node: Node) -> None:
        assert node is NODE

    async def aclose(self) -> None:
        self.outcomes.clear()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "EVERY", 0.0)


async def test_pauses_are_waited_out() -> None:
    wire = PatientWire(Wire(ALONE, ALONE, DONE, ALONE, DONE))
    assert await wire.run(NODE, Command(("true",), 1)) == DONE
    assert await wire.converse(NODE, Conversation(("cat",), b"ready", b"x", 1)) == DONE


async def test_what_was_tried_is_an_answer_and_patience_ends() -> None:
    refused = NotStarted("connection refused")
    assert await PatientWire(Wire(refused, DONE)).run(NODE, Command(("true",), 1)) == refused
    many = Wire(*[ALONE] * (patience.TRIES + 1))
    assert await PatientWire(many).run(NODE, Command(("true",), 1)) == ALONE
    assert len(many.outcomes) == 1
