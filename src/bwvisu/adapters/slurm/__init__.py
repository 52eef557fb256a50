"""Slurm by its command line: each call is an argv builder, a pure parser, and the one wire.

Builders and parsers know Slurm's words and nothing of connections; `SlurmCluster` is the only part that does I/O.
"""

from bwvisu.adapters.slurm.cluster import SlurmCluster, SlurmSettings
from bwvisu.adapters.slurm.submission import Submission

__all__ = ["SlurmCluster", "SlurmSettings", "Submission"]
