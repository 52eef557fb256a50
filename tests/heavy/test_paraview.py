"""A native client outside: pvpython computes on a compute node, through a gateway, where it knows the right number."""

import re
from pathlib import Path

import pytest

from bwvisu.sandbox import Sandbox
from tests.support.secrecy import EVERYTHING
from tests.support.world import Person, service_in

CLIENT = """
import re, sys
from paraview.simple import Connect, Sphere
host, port = re.fullmatch(r"cs://(.+):(\\d+)", sys.argv[1]).groups()
assert Connect(host, int(port)), "refused"
sphere = Sphere(ThetaResolution=100, PhiResolution=100)
sphere.UpdatePipeline()
print("points:", sphere.GetDataInformation().GetNumberOfPoints())
"""


@pytest.mark.timeout(400)
def test_pvpython_outside_computes_on_the_compute_node_and_a_wrong_number_does_not(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    with service_in(sandbox, tmp_path / "service") as service:
        service.start()
        service.wait_until_ready()
        with service.client() as client:
            alice = Person(client)
            job = alice.wait(alice.submit("paraview", minutes=10), "available", 120)
            access = alice.access(job["id"])
            command = access["native"].replace("paraview ", "pvpython ", 1).replace("--server-url=", "/dev/stdin ")

            def connect(text: str) -> str:
                ran = sandbox.run("outside", ["sh", "-c", f"exec 2>&1; {text}"], input=CLIENT, timeout=90)
                return ran.stdout

            assert "points:" not in connect(command.replace(access["password"], "wrong"))
            processes = sandbox.run(job["slurm"]["nodes"][0], ["sh", "-c", EVERYTHING]).stdout
            assert "/server.py" in processes
            assert access["password"] not in processes
            assert re.search(r"points: 98\d\d", connect(command))
            ended = alice.wait(job["id"], "finished")
            assert (ended["outcome"], ended["exit_code"]) == ("completed", 0)
