"""Records of sandboxes that other releases have put up."""

import json
from pathlib import Path

import pytest

from bwvisu.sandbox import instance
from bwvisu.sandbox.topology import Options, Topology


def test_another_release_s_instance_is_read_as_far_as_we_know_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "BASE", tmp_path)
    ours = Topology(3, Options("theirs"))
    (tmp_path / "theirs").mkdir()
    instance.write(ours, complete=True)
    record = tmp_path / "theirs" / "state.json"
    state = json.loads(record.read_text())
    record.write_text(json.dumps(state | {"options": state["options"] | {"of_tomorrow": 1}}))
    assert instance.read("theirs") == (ours, True)
