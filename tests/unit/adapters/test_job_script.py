"""Which jobs have the keyhole's client in their script."""

from datetime import UTC, datetime

import pytest

from bwvisu.adapters.bundles import Source
from bwvisu.adapters.job_script import KeyholeAddress, job_script
from bwvisu.domain.job import JobSpec

PORTS = "#KEYHOLE-REQUEST-PORTS 1\n"


@pytest.mark.parametrize(
    ("line", "urls", "told"),
    [(PORTS, ("http://k",), True), (PORTS, (), True), ("", ("http://k",), True), ("", (), False)],
)
def test_a_job_has_it_that_needs_ports_or_can_tell_its_end(line: str, urls: tuple[str, ...], told: bool) -> None:
    source = Source(name="t", app="title: T\n", template=f"#!/bin/sh\n{line}true\n")
    spec = JobSpec(
        id="01jd00000000000000000000aa",
        user="alice",
        application="t",
        cluster="main",
        parameters={},
        bundle=source.digest,
        created_at=datetime.now(UTC),
    )
    script = job_script(source, spec, 1, b"s" * 32, KeyholeAddress(urls))
    assert ("exec python3" in script) is told
