"""The hostile texts that are drawn: requests may hold all of them, and none becomes code in the smallest of jobs."""

import subprocess
from pathlib import Path

import pytest

from bwvisu.adapters.batch_script import Access, JobFacts, render
from bwvisu.domain import parameter
from tests.support.hostile import LONGEST, PIECES, drawn

TEMPLATE = """\
#!/bin/bash
printf '%s\\n' {{ text }}
cat <<EOF
$(printf '%s' {{ text }})
EOF
"""
JOB = JobFacts("01jd00000000000000000000aa", "alice", "a", "main")


def test_each_may_be_a_path_a_folder_and_a_name_and_is_the_same_for_a_seed() -> None:
    path = parameter.Path(type="path", label="", pattern="[^:,]+")
    texts = [drawn(seed) for seed in range(2000)]
    assert [path.check(text) for text in texts] == texts
    assert all("/" not in text and len(text.encode()) <= LONGEST for text in texts)
    assert len(set(texts)) > 1990
    assert all(any(piece in text for text in texts) for piece in PIECES)
    assert texts[:9] == [drawn(seed) for seed in range(9)]


@pytest.mark.parametrize("seed", range(20))
def test_none_becomes_code(seed: int, tmp_path: Path) -> None:
    script = render(TEMPLATE, {"text": drawn(seed)}, JOB, Access("p"), lambda _: "")
    done = subprocess.run(["bash"], input=script.encode(), cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{drawn(seed)}\n" * 2
    assert list(tmp_path.iterdir()) == []
