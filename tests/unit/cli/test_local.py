"""A cluster for a while, and somebody who loses patience."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bwvisu.cli.local import cluster
from bwvisu.sandbox import Options, Sandbox, instance
from bwvisu.sandbox.topology import Topology


def test_an_interrupt_that_comes_as_a_lock_is_given_back_does_not_keep_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A demo waited for itself: Ctrl-C came before the first instruction of the lock's `__exit__`."""
    monkeypatch.setattr(instance, "BASE", tmp_path)
    taken_down = []

    def up(options: Options, *, say: Callable[[str], None]) -> Sandbox:
        del say
        (tmp_path / options.name).mkdir()
        instance.write(Topology(3, options), complete=False)
        lock = instance.locked(instance.folder_of(options.name))
        lock.__enter__()
        raise KeyboardInterrupt

    def down(box: Sandbox) -> None:
        folder = os.open(box.folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where somebody has it
        os.close(folder)
        taken_down.append(box.topology.options.name)

    monkeypatch.setattr(Sandbox, "up", up)
    monkeypatch.setattr(Sandbox, "down", down)
    with pytest.raises(KeyboardInterrupt), cluster(Options("half"), print):
        pass
    assert taken_down == ["half"]
