"""The decisions of an election."""

import pytest

from bwvisu.adapters.etcd import Committed, Conflict, Entry
from bwvisu.reconcilers.leadership import epoch_won

KEY = "/leader"


@pytest.mark.parametrize(
    ("result", "epoch"),
    [
        (Committed(7), 7),
        (Conflict({KEY: Entry(KEY, b"", 5, 5, lease=3)}, 6), None),
        (Conflict({KEY: Entry(KEY, b"", 5, 5, lease=9)}, 6), 5),
        (Conflict({KEY: None}, 6), None),
    ],
    ids=["won", "another leads", "won by an earlier try", "vacated meanwhile"],
)
def test_the_outcome_of_standing(result: Committed | Conflict, epoch: int | None) -> None:
    assert epoch_won(result, KEY, lease_id=9) == epoch
