"""What Slurm's commands print: the double's jobs in the words of 22.05, to the byte where production reads them."""

import re
from functools import cache
from pathlib import Path

from tests.simulation.slurm import SimSlurm
from tests.simulation.slurm_job import Job

_RECORDED = Path(__file__).parent.parent / "recorded/slurm-22.05"
_PARTITIONS = (_RECORDED / "scontrol-partitions.txt").read_text()
_CONFIG = [
    (line.split(" ", 1)[0], line) for line in (_RECORDED / "scontrol-config.txt").read_text().splitlines(keepends=True)
]
"""Keyword and line; values begin in column 26."""
CONNECT_FAILURE = "Unable to contact slurm controller (connect failure)"
SOCKET_TIMEOUT = "Socket timed out on send/recv operation"
UNKNOWN_ID = "Invalid job id specified"


def squeue_row(slurm: SimSlurm, job: Job) -> str:
    """The cells of `look.FIELDS`, each followed by ``|``."""
    request = job.request
    cells = (
        *(str(job.job_id), slurm.owner(job), job.shown, str(job.restarts), str(_told_status(job)), request.partition),
        *(str(job.submit_time), _time(job.start_time, "N/A"), _time(job.end_time, "N/A")),
        *(limit(request.time_limit), compress(job.hosts), job.reason, job.name),
    )
    return "|".join(cells) + "|"


def _told_status(job: Job) -> int:
    """A run that is being ended shows no status before its processes are gone."""
    return 0 if job.alive else job.status


def _time(time: int | None, never: str) -> str:
    return never if time is None else str(time)


def limit(seconds: int | None, *, padded: bool = False) -> str:
    """``[days-][hours:]minutes:seconds`` as squeue prints it; ``padded`` as scontrol does."""
    if seconds is None:
        return "UNLIMITED"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{rest:02}"
    if padded:
        return f"{hours:02}:{minutes:02}:{rest:02}"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def compress(hosts: tuple[str, ...]) -> str:
    """``node[1-3]``; names of several kinds are divided by commas."""
    if len(hosts) < 2:
        return "".join(hosts)
    numbered = [re.fullmatch(r"(.*?)(\d+)", host) for host in hosts]
    kinds = {match[1] for match in numbered if match}
    if None in numbered or len(kinds) != 1:
        return ",".join(hosts)
    numbers = [int(match[2]) for match in numbered if match]
    run = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    inside = f"{numbers[0]}-{numbers[-1]}" if run else ",".join(map(str, numbers))
    return f"{kinds.pop()}[{inside}]"


def record(slurm: SimSlurm, job: Job) -> str:
    """``scontrol --oneliner show job``, with times by ``SLURM_TIME_FORMAT=%s``."""
    request, owner = job.request, slurm.owner(job)
    status = _told_status(job)
    batch_host = f"BatchHost={job.hosts[0]} " if job.hosts else ""
    ran = (job.end_time if job.over and job.end_time else slurm.now()) - (job.start_time or slurm.now())
    return (
        f"JobId={job.job_id} JobName={job.name} UserId={owner}({job.uid}) GroupId={job.user}({job.uid}) MCS_label=N/A "
        f"Priority={4294901760 - job.job_id} Nice=0 Account=(null) QOS=(null) JobState={job.shown} "
        f"Reason={job.reason} Dependency=(null) Requeue={int(request.requeue)} Restarts={job.restarts} BatchFlag=1 "
        f"Reboot=0 ExitCode={status >> 8}:{status & 0x7F} RunTime={limit(max(ran, 0), padded=True)} "
        f"TimeLimit={limit(request.time_limit, padded=True)} TimeMin=N/A SubmitTime={job.submit_time} "
        f"EligibleTime={job.submit_time} AccrueTime={job.submit_time} StartTime={_time(job.start_time, 'Unknown')} "
        f"EndTime={_time(job.end_time, 'Unknown')} Deadline=N/A SuspendTime=None SecsPreSuspend=0 "
        f"LastSchedEval={job.submit_time} Scheduler=Main Partition={request.partition} AllocNode:Sid=0.0.0.0:0 "
        f"ReqNodeList={compress(request.on) or '(null)'} ExcNodeList=(null) NodeList={compress(job.hosts)} "
        f"{batch_host}NumNodes={request.nodes} NumCPUs={request.nodes} NumTasks=1 CPUs/Task=1 ReqB:S:C:T=0:0:*:* "
        f"TRES=cpu=1,node={request.nodes},billing=1 Socks/Node=* NtasksPerN:B:S:C=0:0:*:* CoreSpec=* MinCPUsNode=1 "
        "MinMemoryCPU=1G MinTmpDiskNode=0 Features=(null) DelayBoot=00:00:00 OverSubscribe=OK Contiguous=0 "
        f"Licenses=(null) Network=(null) Command=(null) WorkDir=/home/{job.user} StdErr={request.output} "
        f"StdIn=/dev/null StdOut={request.output} Power= \n"
    )


def config(slurm: SimSlurm) -> str:
    """``scontrol show config``, as it was recorded, with what differs here."""
    accounting = "slurmdbd" if slurm.accounting.on else "none"
    return _config(accounting, slurm.cluster_name, slurm.pace.min_job_age, ",".join(slurm.private_data) or "none")


@cache
def _config(accounting: str, name: str, age: float, private: str) -> str:
    told = {
        "AccountingStorageType": f"accounting_storage/{accounting}",
        "ClusterName": name,
        "MinJobAge": f"{age:.0f} sec",
        "PrivateData": private,
    }
    return "".join(line if key not in told else f"{line[:26]}{told[key]}\n" for key, line in _CONFIG)


def partitions() -> str:
    """``scontrol --all --oneliner show partition``, as it was recorded: they are the double's, too."""
    return _PARTITIONS


def sacct_row(slurm: SimSlurm, job: Job) -> str:
    """The fields that `details.sacct` asks for."""
    cancelled = f" by {job.uid}" if job.state == "CANCELLED" else ""
    state = "COMPLETING" if job.completing else job.state + cancelled
    cells = (
        *(str(job.job_id), slurm.owner(job), state, f"{job.status >> 8}:{job.status & 0x7F}", str(job.submit_time)),
        *(_time(job.start_time, "Unknown"), _time(job.end_time if job.over else None, "Unknown")),
        *(compress(job.hosts) or "None assigned", job.reason),
    )
    return "|".join(cells) + "\n"
