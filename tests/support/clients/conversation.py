"""A whole conversation through the generated Python client; prints what it learnt as JSON.

usage: conversation.py APPLICATION PARAMETERS      with BWVISU_URL and BWVISU_TOKEN in the environment
"""

import json
import os
import sys
import uuid
from collections.abc import Iterator

from bwvisu_client import AuthenticatedClient
from bwvisu_client.api.applications import list_applications
from bwvisu_client.api.jobs import cancel_job, create_job, get_job, get_job_access
from bwvisu_client.models import AccessView, ApplicationList, JobView, NewJob, NewJobParameters, Problem, State
from httpx_sse import connect_sse

client = AuthenticatedClient(
    base_url=os.environ["BWVISU_URL"], token=os.environ["BWVISU_TOKEN"], raise_on_unexpected_status=True
)


def watch(job_id: str) -> Iterator[JobView]:
    """The job whenever it has changed, until it is finished: its event stream, resumed as often as it ends."""
    last = ""
    while True:
        resumed = {"Last-Event-ID": last} if last else {}
        address = f"/api/v1/jobs/{job_id}/events"
        with connect_sse(client.get_httpx_client(), "GET", address, headers=resumed, timeout=25) as stream:
            for event in stream.iter_sse():
                last = event.id or last
                if event.event not in {"snapshot", "job"}:
                    continue
                data = event.json()
                for each in data["jobs"] if event.event == "snapshot" else [data]:
                    yield (job := JobView.from_dict(each))
                    if job.state is State.FINISHED:
                        return


def main(application: str, parameters: dict[str, object]) -> dict[str, object]:
    """Start, watch, enter, stop; and meet a problem."""
    catalogue = list_applications.sync(client=client)
    assert isinstance(catalogue, ApplicationList)

    key = str(uuid.uuid4())
    new = NewJob(user="alice", application=application, parameters=NewJobParameters.from_dict(parameters))
    created = create_job.sync_detailed(client=client, body=new, idempotency_key=key)
    again = create_job.sync_detailed(client=client, body=new, idempotency_key=key)
    assert isinstance(created.parsed, JobView)
    assert isinstance(again.parsed, JobView)
    job_id = created.parsed.id

    access = None
    states: list[str] = []
    for job in watch(job_id):
        states.append(job.state.value)
        if job.state is State.AVAILABLE and access is None:
            access = get_job_access.sync(job_id, client=client)
            cancel_job.sync(job_id, client=client)
    assert isinstance(access, AccessView)
    assert job.outcome is not None

    missing = get_job.sync("01jd0000000000000000000000", client=client)
    assert isinstance(missing, Problem)
    wrong = create_job.sync(client=client, body=NewJob(user="alice", application="no-such"))
    assert isinstance(wrong, Problem)
    assert wrong.errors
    return {
        "applications": [each.name for each in catalogue.items],
        "id": job_id,
        "statuses": [created.status_code, again.status_code],
        "again": again.parsed.id,
        "states": states,
        "url": access.url,
        "outcome": job.outcome.value,
        "missing": [missing.type_, missing.status],
        "wrong": [wrong.type_, wrong.errors[0].pointer],
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))
