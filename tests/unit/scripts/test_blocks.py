"""Each command block of the documents is carried out by a test, or is one of few that need what no test has."""

from collections import Counter

import pytest

from scripts.blocks import Block, blocks, commands, unknown

EVERY = list(blocks())
NEEDS = {"kubernetes": 3, "a container engine": 1}
"""How many there are; another number is a decision, not an accident."""


def test_each_says_who_carries_it_out() -> None:
    assert len(EVERY) > 50
    assert [f"{each.page}:{each.line}: {fault}" for each in EVERY if (fault := each.fault())] == []


def test_those_that_nobody_carries_out_are_counted() -> None:
    assert Counter(each.told for each in EVERY if each.kind == "needs") == NEEDS


def test_the_program_knows_each_command_that_they_show() -> None:
    told = [(each.page, words) for each in EVERY for words in commands(each.text)]
    assert len(told) > 30
    assert [(page, words, word) for page, words in told if (word := unknown(words))] == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("$ bwvisu job lists\n", "lists"),
        ("x=$(bwvisu token create --nam portal)", "--nam"),
        ("bwvisu sandbox exec cmd1 -- squeue --noheader", ""),
        ("bwvisu config check --config FILE  # good", ""),
    ],
)
def test_what_the_program_does_not_know_is_found(text: str, word: str) -> None:
    ((first),) = commands(text)
    assert unknown(first) == word


@pytest.mark.parametrize(
    ("kind", "told", "fault"),
    [
        ("", "", "nobody says who carries it out"),
        ("needs", "docker", "it needs docker, which a test can have"),
        ("not run", "", "nobody says who carries it out"),
        ("run by", "tests/nowhere.py", "there is no tests/nowhere.py"),
        ("run by", "tests/conftest.py", "tests/conftest.py does not read it"),
        ("tried by", "tests/conftest.py", ""),
    ],
)
def test_a_wrong_word_is_told(kind: str, told: str, fault: str) -> None:
    assert Block("docs/etcd.md", 1, kind, told, "").fault() == fault
