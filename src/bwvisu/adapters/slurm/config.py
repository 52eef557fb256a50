"""The site's configuration, as far as it changes what we may believe."""

import re

from bwvisu.adapters.ssh import Command, Completed, Outcome
from bwvisu.domain.observation import ConfigResult, CouldNotLook, SlurmConfig


def command(timeout: float) -> Command:
    """Ask slurmctld."""
    return Command(("env", "LC_ALL=C", "scontrol", "show", "config"), timeout)


def parse(outcome: Outcome, at: float) -> ConfigResult:
    """Never raises."""
    if not isinstance(outcome, Completed):
        return CouldNotLook(outcome.reason, at)
    if outcome.exit_status != 0:
        return CouldNotLook(f"scontrol ended with {outcome.exit_status}", at)
    pairs = dict(re.findall(r"^(\w+) *= (.*?) *$", outcome.stdout.decode(errors="replace"), re.MULTILINE))
    try:
        return SlurmConfig(
            cluster_name=pairs["ClusterName"],
            version=pairs["SLURM_VERSION"],
            min_job_age=int(pairs["MinJobAge"].removesuffix(" sec")),
            private_data=_list(pairs["PrivateData"]),
            accounting=pairs["AccountingStorageType"] != "accounting_storage/none",
        )
    except (KeyError, ValueError) as error:
        return CouldNotLook(f"scontrol's answer cannot be read: {error}", at)


def _list(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.lower().split(",") if word not in {"none", "(null)", ""})
