"""Lines of a process's log, as a collector reads them."""

import json
import subprocess
import sys

PROCESS = """
import logging, structlog
from structlog.contextvars import bound_contextvars
from bwvisu import logs

logs.configure()
with bound_contextvars(request="0123456789abcdef0123456789abcdef", job="one"):
    structlog.get_logger("bwvisu.a").warning("bound", job="another")
    logging.getLogger("library").warning("foreign")
structlog.get_logger("bwvisu.a").warning("free")
"""


def test_each_line_names_the_request_and_the_job_that_it_belongs_to() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS], check=True, capture_output=True, text=True)
    bound, foreign, free = [json.loads(line) for line in done.stderr.splitlines()]
    assert (bound["request"], bound["job"]) == ("0123456789abcdef0123456789abcdef", "another")
    assert (foreign["event"], foreign["request"], foreign["job"]) == ("foreign", bound["request"], "one")
    assert not {"request", "job"} & free.keys()
