"""Slurm's compact node lists, e.g. ``node[01-03,7],gpu1``, written out.  Pure.

Grammar: "Hostlist expressions" in Slurm's ``scontrol show hostnames``: names divided by commas, each with any number
of bracketed groups of numbers and ranges; leading zeros are kept.
"""

import re
from collections.abc import Iterator
from itertools import islice, product

MOST = 65_536
"""Nodes of one list.  Slurm's output is not ours: a few characters must not fill the memory."""
_NAME = re.compile(r"(?:[A-Za-z0-9._-]|\[[0-9,-]+\])+")
_LIST = re.compile(rf"{_NAME.pattern}(?:,{_NAME.pattern})*")
_PART = re.compile(r"\[([^]]*)\]|([^\[\]]+)")
_RANGE = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")
_NOBODY = frozenset({"", "(null)", "n/a", "N/A", "None", "None assigned"})


def expand(text: str) -> tuple[str, ...]:
    """Every node of the list, in Slurm's order; empty for the words that mean none.

    Raises ValueError for anything that is no node list, or one of more than `MOST` nodes.
    """
    if text.strip() in _NOBODY:
        return ()
    names = (host for word in _split(text.strip()) for host in _expand_word(word))
    hosts = tuple(islice(names, MOST + 1))
    if len(hosts) > MOST:
        raise ValueError("the node list is too long")
    return hosts


def _split(text: str) -> list[str]:
    """Divide at the commas outside of brackets."""
    if not _LIST.fullmatch(text):
        raise ValueError(f"not a node list: {text[:80]!r}")
    return _NAME.findall(text)


def _expand_word(word: str) -> Iterator[str]:
    parts, total = [], 1
    for inside, plain in _PART.findall(word):
        parts.append(_numbers(inside) if inside else [plain])
        total *= len(parts[-1])
        if total > MOST:
            raise ValueError("the node list is too long")
    return map("".join, product(*parts))


def _numbers(text: str) -> list[str]:
    """``01-03,7`` → ``01 02 03 7``."""
    numbers: list[str] = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise ValueError(f"not a range of nodes: {piece[:40]!r}")
        first, last = match[1], match[2] or match[1]
        if not 0 <= int(last) - int(first) < MOST - len(numbers):
            raise ValueError(f"not a range of nodes that we follow: {piece[:40]!r}")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last) + 1)]
    return numbers
