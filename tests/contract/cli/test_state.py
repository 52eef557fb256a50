"""``bwvisu state backup`` and ``restored`` on a real etcd, as an administrator runs them."""

import json
from pathlib import Path

import pytest
import yaml

from scripts.environment import ROOT
from tests.support.etcd import EtcdCluster
from tests.support.program import piped

RECORDS = json.loads((ROOT / "tests/recorded/etcd-form-1/records.json").read_text())
(JOB,) = (key.removeprefix("specs/") for key in RECORDS if key.startswith("specs/"))


@pytest.fixture
def etcd() -> EtcdCluster:
    """A store of nobody's."""
    return EtcdCluster()


def told(etcd: EtcdCluster, key: str) -> dict[str, object]:
    """A record as it is stored."""
    record: dict[str, object] = json.loads(etcd.ctl("get", "--print-value-only", f"/bwvisu/v1/{key}"))
    return record


def test_a_store_is_backed_up_and_gone_on_with(etcd: EtcdCluster, tmp_path: Path) -> None:
    with etcd:
        config, file = tmp_path / "bwvisu.yaml", tmp_path / "bwvisu.snapshot"
        ssh = {"key_file": "/key", "known_hosts": "/known_hosts"}
        cluster = {"ssh": ssh, "command_nodes": [{"host": "c1", "user": "u"}]}
        config.write_text(
            yaml.safe_dump({"etcd": {"endpoints": etcd.endpoints, "timeout": 30}, "clusters": {"main": cluster}})
        )
        where = ("--config", str(config))
        for key, record in RECORDS.items():
            etcd.ctl("put", f"/bwvisu/v1/{key}", json.dumps(record))
        done = piped("state", "backup", str(file), *where, "--json")
        assert (done.returncode, json.loads(done.stdout)) == (0, {"file": str(file), "bytes": file.stat().st_size})
        first = json.loads(piped("state", "restored", *where, "--json").stdout)
        assert (first["before"], first["jobs"], first["in_doubt"]) == (2, 1, [])
        etcd.ctl("del", f"/bwvisu/v1/status/{JOB}")
        second = piped("state", "restored", *where)
        assert f"{JOB}: may have been submitted since" in second.stdout
        status = told(etcd, f"status/{JOB}")
        assert (status["phase"], status["attempt"], status["intent_at"]) == ("submitting", 1, None)
        drawn = told(etcd, "installation")
        generation = drawn["generation"]
        assert isinstance(generation, int)
        assert generation > first["generation"] > 10**9
        newer = drawn | {"release": "9.9.9", "store_format": 2}
        etcd.ctl("put", "/bwvisu/v1/installation", json.dumps(newer))
        refused = piped("state", "restored", *where)
        assert (refused.returncode, "release 9.9.9 of bwVisu has made it its own" in refused.stderr) == (4, True)
        assert told(etcd, "installation") == newer
