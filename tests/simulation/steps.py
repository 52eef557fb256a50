"""What the table of states allows."""

from bwvisu.domain.lifecycle import TRANSITIONS, Phase

_STEPS = {(before, after) for (before, _), after in TRANSITIONS.items()}


def reachable(one: Phase, other: Phase) -> bool:
    """Several steps of the table may be written down as one."""
    seen, todo = {one}, [one]
    while todo:
        phase = todo.pop()
        for before, after in _STEPS:
            if before is phase and after not in seen:
                seen.add(after)
                todo.append(after)
    return other in seen
