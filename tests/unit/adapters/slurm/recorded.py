"""Real outputs of Slurm 22.05."""

from pathlib import Path

FOLDER = Path(__file__).parents[3] / "recorded" / "slurm-22.05"
MARK = "5f0c3a9e7b1d2c4f" * 2
LOOKS = ("empty", "completing", "mixed", "late", "private", "hanging")


def recorded(name: str) -> bytes:
    return (FOLDER / f"{name}.txt").read_bytes()
