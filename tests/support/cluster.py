"""A pytest plugin: one real cluster for all tests of a process; what a killed process leaves, the next one removes."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bwvisu.sandbox import Options, Sandbox

_PREFIX = "test-"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """A cluster with three etcd members over TLS, shared by all tests: leave it whole."""
    _sweep()
    name = f"{_PREFIX}{os.getpid()}"
    try:
        yield Sandbox.up(Options(name=name, etcd=3), say=print)
    finally:
        remove(name)


@pytest.fixture
def spare() -> Iterator[str]:
    """A name for an instance of the test's own, which is removed after the test in whatever state it is."""
    name = f"{_PREFIX}{os.getpid()}-spare"
    yield name
    remove(name)


def remove(name: str) -> None:
    """Take an instance down if anything of it is there."""
    if name in Sandbox.names():
        Sandbox.load(name).down()


def _sweep() -> None:
    """Remove what test processes left behind that were killed before they could."""
    for name in Sandbox.names():
        owner = name.removeprefix(_PREFIX).split("-")[0]
        if name.startswith(_PREFIX) and not (Path("/proc") / owner).exists():
            remove(name)
